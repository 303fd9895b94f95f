/**
 * Every error Holdfast raises or answers, in one table. A code never changes its meaning; messages may be reworded.
 * The API answers them as problem+json, the CLI prints `message` and `action`, docs/reference/errors.md is generated.
 */

/** What a code means: the HTTP status it is answered with, whether the same request can succeed later, and what to do. */
export interface ErrorEntry {
  readonly status: number;
  readonly retryable: boolean;
  readonly message: string;
  readonly action: string;
}

// oxfmt-ignore -- one line a code
export const errorCodes = {
  // Ingest: the request itself.
  bad_request: {
    status: 400,
    retryable: false,
    message: 'The request is malformed.',
    action: 'Send a valid HTTP/1.1 request.',
  },
  not_verified: {
    status: 401,
    retryable: false,
    message: 'The request could not be verified.',
    action: 'Check the secret of this source; `holdfast simulate` sends a correctly signed request.',
  },
  source_not_found: {
    status: 404,
    retryable: false,
    message: 'No source has this path.',
    action: 'Check the path, or add the source to the config.',
  },
  method_not_allowed: {
    status: 405,
    retryable: false,
    message: 'This path does not take this method.',
    action: 'Use a method from the Allow header.',
  },
  request_timeout: {
    status: 408,
    retryable: true,
    message: 'The request did not arrive in time.',
    action: 'Send it again, faster.',
  },
  body_too_slow: {
    status: 408,
    retryable: true,
    message: 'The body came too slowly.',
    action: 'Send it again, faster.',
  },
  body_too_large: {
    status: 413,
    retryable: false,
    message: 'The body is larger than the limit.',
    action: 'Raise bodyBytesMax or send less.',
  },
  encoding_not_supported: {
    status: 415,
    retryable: false,
    message: 'Content-Encoding is not accepted.',
    action: 'Send the body uncompressed: signatures cover the bytes as sent.',
  },
  expectation_failed: {
    status: 417,
    retryable: false,
    message: 'The Expect header asks for something unknown.',
    action: 'Send Expect: 100-continue, or none.',
  },
  rate_limited: {
    status: 429,
    retryable: true,
    message: 'Too many requests for this source.',
    action: 'Wait for Retry-After, or raise the rate.',
  },
  headers_too_large: {
    status: 431,
    retryable: false,
    message: 'The headers are larger than the limit.',
    action: 'Send fewer or shorter headers.',
  },
  body_consumed: {
    status: 500,
    retryable: false,
    message: 'The body was already read before Holdfast saw it, so its bytes cannot be verified.',
    action:
      'Mount Holdfast above what reads the body. In Express: move app.use(express.json()) below app.use(gateway.middleware()).',
  },
  // Ingest: Holdfast's own state. Always 503 with Retry-After: a provider must try again.
  store_unavailable: {
    status: 503,
    retryable: true,
    message: 'The store cannot take commits now.',
    action: 'Try again after Retry-After.',
  },
  commit_unknown: {
    status: 503,
    retryable: true,
    message: 'The outcome of the commit is not known.',
    action: 'Send it again: a repeat is recognised.',
  },
  disk_reserve: {
    status: 503,
    retryable: true,
    message: 'Free disk space is below the reserve.',
    action: 'Free disk space or shorten retention.',
  },
  backlog_full: {
    status: 503,
    retryable: true,
    message: 'A destination of this event has a full backlog.',
    action: 'Try again later.',
  },
  address_overloaded: {
    status: 429,
    retryable: true,
    message: 'Too much from this address is in flight.',
    action: 'Try again after Retry-After. Behind a proxy, set trustedProxies, so that its senders are told apart.',
  },
  overloaded: {
    status: 503,
    retryable: true,
    message: 'Too many requests are in flight.',
    action: 'Try again after Retry-After.',
  },
  stopping: {
    status: 503,
    retryable: true,
    message: 'The gateway is stopping.',
    action: 'Try again after Retry-After.',
  },
  // Emitting and replaying.
  transaction_unsupported: {
    status: 501,
    retryable: false,
    message: 'This needs a transaction that the application and the store share.',
    action: 'Use a store on PostgreSQL; else emit after the commit, with a dedupe key.',
  },
  attempt_ended: {
    status: 409,
    retryable: false,
    message: 'The attempt has ended.',
    action: 'Await everything the handler starts before it returns.',
  },
  claim_lost: {
    status: 409,
    retryable: true,
    message: 'Another process may have the delivery by now.',
    action: 'Nothing: what its handler wrote was rolled back, and the delivery is attempted again.',
  },
  emit_unfit: {
    status: 422,
    retryable: false,
    message: 'The emitted event does not fit the schema of its type.',
    action: 'Correct the body: the issues say where it does not fit.',
  },
  event_type_unknown: {
    status: 422,
    retryable: false,
    message: 'The catalogue of emitted events does not have this type.',
    action: "Add it to emits in the config, or correct the name; '*' in emits lets every type through.",
  },
  idempotency_key_reused: {
    status: 422,
    retryable: false,
    message: 'This idempotency key was used for another request.',
    action: 'Use a new key for every request, and the same only to repeat one as it was.',
  },
  split_not_array: {
    status: 400,
    retryable: false,
    message: 'The body is not an array but the source splits it.',
    action: 'Send an array, or unset split.',
  },
  body_purged: {
    status: 410,
    retryable: false,
    message: 'The body of this event has been purged.',
    action: 'Raise retainBodiesMs (HOLDFAST_RETAIN_BODIES) before it is needed.',
  },
  not_cancellable: {
    status: 409,
    retryable: false,
    message: 'The event has already begun to be delivered.',
    action: 'Nothing: it is too late to cancel.',
  },
  replay_open: {
    status: 409,
    retryable: false,
    message: 'The delivery, or a replay of it, has not ended.',
    action: 'Wait for it to end.',
  },
  // Admin API and CLI.
  unauthorized: {
    status: 401,
    retryable: false,
    message: 'A bearer token is needed.',
    action: 'Send Authorization: Bearer with the admin token or an API token that was not revoked.',
  },
  token_expired: {
    status: 401,
    retryable: false,
    message: 'This API token has expired.',
    action: 'Make another: `holdfast tokens create`.',
  },
  forbidden: {
    status: 403,
    retryable: false,
    message: 'This token may not do that.',
    action: 'Use a token with the scope.',
  },
  not_found: {
    status: 404,
    retryable: false,
    message: 'There is nothing with this id.',
    action: 'Check the id; it may have been purged.',
  },
  invalid_input: {
    status: 400,
    retryable: false,
    message: 'The input does not fit.',
    action: 'Correct what is named.',
  },
  conflict: {
    status: 409,
    retryable: true,
    message: 'The document was changed meanwhile.',
    action: 'Read it again and repeat the change.',
  },
  endpoint_limit: {
    status: 409,
    retryable: false,
    message: 'The tenant has as many endpoints as it may have.',
    action: 'Delete those that are not used, or raise the setting endpointsPerTenantMax.',
  },
  blocked_target: {
    status: 400,
    retryable: false,
    message: 'The target is not allowed.',
    action:
      'Give the public address of a receiver, or have the operator allow its host or network (HOLDFAST_EGRESS_ALLOW).',
  },
  gateway_unreachable: {
    status: 502,
    retryable: true,
    message: 'No gateway answers at this address.',
    action: 'Start it, or pass --url.',
  },
  // Configuration and start.
  config_invalid: {
    status: 500,
    retryable: false,
    message: 'The configuration does not fit.',
    action: 'Correct what is named; `holdfast doctor` checks it without a start.',
  },
  config_unknown_setting: {
    status: 500,
    retryable: false,
    message: 'There is no such setting.',
    action: 'Correct its name; docs/reference/configuration.md lists them.',
  },
  config_not_found: {
    status: 500,
    retryable: false,
    message: 'The config file was not found.',
    action: 'Run `holdfast init`, or pass --config.',
  },
  secret_missing: {
    status: 500,
    retryable: false,
    message: 'A secret is missing or empty.',
    action: 'Set the variable that is named; `holdfast start` reads the .env beside the config.',
  },
  secret_sealed: {
    status: 500,
    retryable: false,
    message: 'A stored secret cannot be opened.',
    action:
      'Give the key it was sealed with too: HOLDFAST_ENCRYPTION_KEYS takes several, or the key file beside the store.',
  },
  address_in_use: {
    status: 500,
    retryable: false,
    message: 'The port is in use.',
    action: 'Stop the other program or set another port.',
  },
  public_admin_refused: {
    status: 500,
    retryable: false,
    message: 'The admin surface would be reachable from outside without a token.',
    action: 'Set an admin token, or bind it to a loopback address.',
  },
  not_started: {
    status: 503,
    retryable: true,
    message: 'The gateway has not been started.',
    action: 'Call await gateway.start() first.',
  },
  destination_duplicate: {
    status: 500,
    retryable: false,
    message: 'Two destinations have the same name.',
    action: 'Give each its own name.',
  },
  destination_unknown: {
    status: 404,
    retryable: false,
    message: 'There is no such destination.',
    action: 'Check its name; `holdfast status` lists them.',
  },
  // Store.
  store_owned: {
    status: 500,
    retryable: false,
    message: 'Another process owns this database file.',
    action: 'Stop it first, or use the API of the running gateway; one process owns an embedded store.',
  },
  store_corrupt: {
    status: 500,
    retryable: false,
    message: 'The database file is damaged.',
    action: 'Do not delete it: see docs/operate/corruption.md; `holdfast salvage` exports what is intact.',
  },
  store_fatal: {
    status: 500,
    retryable: false,
    message: 'The store reported an I/O error.',
    action: 'Check the disk, then start again: it recovers.',
  },
  store_format: {
    status: 500,
    retryable: false,
    message: 'The store was written by a newer version.',
    action: 'Run that version or a later one.',
  },
  store_not_durable: {
    status: 500,
    retryable: false,
    message: 'The store cannot give the durability it was asked for.',
    action: 'Correct what is named, or opt in to it: HOLDFAST_ALLOW_WEAKER_DURABILITY=true.',
  },
  store_forbidden: {
    status: 500,
    retryable: false,
    message: 'The user of the store lacks rights that it needs.',
    action: 'Grant what is named, or connect as the user that made the store.',
  },
  sqlite_too_old: {
    status: 500,
    retryable: false,
    message: 'This Node has a SQLite older than 3.51.3.',
    action: 'Use Node ^22.22.3 or >=24.15.',
  },
  move_unsupported: {
    status: 500,
    retryable: false,
    message: 'A store like this cannot be moved so.',
    action: 'See which stores `holdfast migrate-store` moves from and into.',
  },
  move_refused: {
    status: 500,
    retryable: false,
    message: 'The target of the move is not empty, or not that of this source.',
    action: 'Name an empty store, or go on with the same source, unchanged.',
  },
  move_unfinished: {
    status: 500,
    retryable: false,
    message: 'A move into this store has not come to its end.',
    action: 'Run `holdfast migrate-store` again with the same source and target: it goes on where it was.',
  },
  move_differs: {
    status: 500,
    retryable: false,
    message: 'After the move the target is not what the source is.',
    action: 'See that nothing else works on either store, empty the target, and move again; the source is as it was.',
  },

  // Queue.
  client_missing: {
    status: 500,
    retryable: false,
    message: 'The client package of this store or queue is not installed.',
    action: 'Install the package that is named, beside holdfast.',
  },
  queue_unfit: {
    status: 500,
    retryable: false,
    message: 'What exists in the broker under this name cannot carry hints.',
    action: 'Change the settings that are named, or give the queue another name in its URL.',
  },
  internal: {
    status: 500,
    retryable: true,
    message: 'Something went wrong inside Holdfast.',
    action: 'See the log; please report it.',
  },
} as const satisfies Record<string, ErrorEntry>;
