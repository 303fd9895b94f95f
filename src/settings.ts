/** The one table of settings. Reading them is config.ts's. */

/** How a setting's text is read. `url` is an http: or https: URL, `list` is comma-separated. `duration` and `bytes` give numbers. */
export type SettingType = 'text' | 'url' | 'integer' | 'duration' | 'bytes' | 'boolean' | 'list';

export interface Setting {
  readonly env: string;
  readonly type: SettingType;
  /** As it would be written; `null`: none. */
  readonly default: string | null;
  /** Smallest value that makes sense, for numbers. */
  readonly min?: number;
  readonly secret?: true;
  /** One sentence. */
  readonly about: string;
}

// oxfmt-ignore -- one line a setting
export const settings = {
  store: {
    env: 'HOLDFAST_STORE',
    type: 'text',
    default: 'sqlite:./data/holdfast.db',
    about:
      'Where events are committed: sqlite:PATH, postgres://USER:PASSWORD@HOST/DATABASE or mongodb://USER:PASSWORD@HOST/DATABASE (shared by any number of gateways; need the packages pg and mongodb), or memory: (nothing survives the process).',
  },
  queue: {
    env: 'HOLDFAST_QUEUE',
    type: 'text',
    default: null,
    secret: true,
    about:
      'What tells workers that something is ready, with a shared store: redis://HOST, nats://HOST or sqs://REGION; unset: they hear of it from the store.',
  },
  role: {
    env: 'HOLDFAST_ROLE',
    type: 'text',
    default: 'all',
    about:
      'What this process does: all; gateway (takes webhooks and answers sync sources, leaves the rest to workers) or worker (attempts, takes no webhooks); the last two only with a shared store.',
  },
  leaseMs: {
    env: 'HOLDFAST_LEASE',
    type: 'duration',
    default: '60s',
    min: 2000,
    about:
      'How long what a process took from a shared store is its own without a sign of life; after that others may attempt it. Renewed every third of it, however long an attempt takes; made longer, up to ten times, while the store is so slow that it would end before an outcome is committed.',
  },
  durability: {
    env: 'HOLDFAST_DURABILITY',
    type: 'text',
    default: 'full',
    about:
      'Of an embedded store. full: an acknowledged event survives a power cut. normal or off: it may not; an explicit opt-in, reported on /ready.',
  },
  allowWeakerDurability: {
    env: 'HOLDFAST_ALLOW_WEAKER_DURABILITY',
    type: 'boolean',
    default: 'false',
    about:
      'Starts on a shared store whose settings may lose an acknowledged event, and says so everywhere; PostgreSQL then commits as its own synchronous_commit says. Else it is refused.',
  },
  spool: {
    env: 'HOLDFAST_SPOOL',
    type: 'text',
    default: null,
    about:
      'Where a gateway on a shared store keeps what it accepts while the store takes no commits: sqlite:PATH, on a disk that outlives the process; unset: it answers 503.',
  },
  spoolBytesMax: {
    env: 'HOLDFAST_SPOOL_BYTES_MAX',
    type: 'bytes',
    default: '1GiB',
    min: 1,
    about: 'Most bytes in the spool; more is answered 503.',
  },
  host: {
    env: 'HOLDFAST_HOST',
    type: 'text',
    default: '127.0.0.1',
    about: 'Address the ingest listener binds to; 0.0.0.0 for all.',
  },
  port: {
    env: 'HOLDFAST_PORT',
    type: 'integer',
    default: '8420',
    min: 0,
    about: 'Port of the ingest listener; 0 picks a free one.',
  },
  adminHost: {
    env: 'HOLDFAST_ADMIN_HOST',
    type: 'text',
    default: '127.0.0.1',
    about: 'Address the admin listener binds to when it has a port of its own.',
  },
  adminPort: {
    env: 'HOLDFAST_ADMIN_PORT',
    type: 'integer',
    default: null,
    min: 0,
    about:
      'Port of its own for the admin API and /metrics; unset: the ingest port when that is loopback, else the ingest port plus one on loopback.',
  },
  adminToken: {
    env: 'HOLDFAST_ADMIN_TOKEN',
    type: 'text',
    default: null,
    secret: true,
    about:
      'Bearer token of the admin API; unset: made at first start and kept beside an embedded store; on a shared one shown once by the process that makes it, and kept as a hash.',
  },
  trustedProxies: {
    env: 'HOLDFAST_TRUSTED_PROXIES',
    type: 'list',
    default: '',
    about:
      'Addresses or CIDR ranges whose X-Forwarded-For is believed, for address lists, limits per address, and logs.',
  },
  publicUrl: {
    env: 'HOLDFAST_PUBLIC_URL',
    type: 'url',
    default: null,
    about: 'The URL providers call, for schemes that sign it; never taken from the Host header.',
  },
  bodyBytesMax: {
    env: 'HOLDFAST_BODY_BYTES_MAX',
    type: 'bytes',
    default: '1MiB',
    min: 1,
    about: 'Largest request body; more is answered 413.',
  },
  headerBytesMax: {
    env: 'HOLDFAST_HEADER_BYTES_MAX',
    type: 'bytes',
    default: '16KiB',
    min: 1024,
    about: 'Largest header block; more is answered 431.',
  },
  headerLinesMax: {
    env: 'HOLDFAST_HEADER_LINES_MAX',
    type: 'integer',
    default: '100',
    min: 1,
    about: 'Most header lines; more are answered 431.',
  },
  headerDeadlineMs: {
    env: 'HOLDFAST_HEADER_DEADLINE',
    type: 'duration',
    default: '10s',
    min: 1,
    about: 'Time for a request to send its headers.',
  },
  requestDeadlineMs: {
    env: 'HOLDFAST_REQUEST_DEADLINE',
    type: 'duration',
    default: '30s',
    min: 1,
    about: 'Time for a request to arrive whole.',
  },
  connectionsMax: {
    env: 'HOLDFAST_CONNECTIONS_MAX',
    type: 'integer',
    default: '10000',
    min: 1,
    about: 'Most open connections; more are closed.',
  },
  unverifiedBytesMax: {
    env: 'HOLDFAST_UNVERIFIED_BYTES_MAX',
    type: 'bytes',
    default: '64MiB',
    min: 1,
    about: 'Most bytes of bodies not yet verified held in memory; more is answered 503.',
  },
  addressConnectionsMax: {
    env: 'HOLDFAST_ADDRESS_CONNECTIONS_MAX',
    type: 'integer',
    default: '1000',
    min: 1,
    about: 'Most open connections of one address (an IPv6 /64), or of its requests behind a trusted proxy; more: 429.',
  },
  addressUnverifiedBytesMax: {
    env: 'HOLDFAST_ADDRESS_UNVERIFIED_BYTES_MAX',
    type: 'bytes',
    default: '8MiB',
    min: 1,
    about: 'Most bytes of bodies not yet verified that one address may have in memory; more: 429. One body always may.',
  },
  bodyBytesPerSMin: {
    env: 'HOLDFAST_BODY_BYTES_PER_S_MIN',
    type: 'bytes',
    default: '1KiB',
    min: 0,
    about: 'Bytes a second that a body must come with, after its first 5 s; slower is answered 408. 0: no such limit.',
  },
  handOffBytesMax: {
    env: 'HOLDFAST_HAND_OFF_BYTES_MAX',
    type: 'bytes',
    default: '64MiB',
    min: 0,
    about:
      'Most bytes of committed events kept in memory for their handlers; beyond it they are read back from the store.',
  },
  diskReserveBytes: {
    env: 'HOLDFAST_DISK_RESERVE',
    type: 'bytes',
    default: '256MiB',
    min: 0,
    about: 'Free disk below which new events are refused with 503, so that outcomes can still be stored.',
  },
  runningMax: {
    env: 'HOLDFAST_RUNNING_MAX',
    type: 'integer',
    default: '256',
    min: 1,
    about: 'Most attempts running at once in the process; free slots go to higher priorities first.',
  },
  graceMs: {
    env: 'HOLDFAST_GRACE',
    type: 'duration',
    default: '30s',
    min: 0,
    about: 'Time a graceful stop gives running attempts.',
  },
  drainDelayMs: {
    env: 'HOLDFAST_DRAIN_DELAY',
    type: 'duration',
    default: '0s',
    min: 0,
    about:
      'How long a graceful stop still takes webhooks after /ready has begun to say no, so that load balancers have time to look elsewhere.',
  },
  retainBodiesMs: {
    env: 'HOLDFAST_RETAIN_BODIES',
    type: 'duration',
    default: '7d',
    min: 0,
    about: 'How long bodies of events that ended well are kept.',
  },
  retainEventsMs: {
    env: 'HOLDFAST_RETAIN_EVENTS',
    type: 'duration',
    default: '7d',
    min: 0,
    about: 'How long events that ended well are kept with their deliveries.',
  },
  retainUnmatchedMs: {
    env: 'HOLDFAST_RETAIN_UNMATCHED',
    type: 'duration',
    default: '30d',
    min: 0,
    about: 'How long events that matched no destination are kept.',
  },
  retainDeadLettersMs: {
    env: 'HOLDFAST_RETAIN_DEAD_LETTERS',
    type: 'duration',
    default: null,
    min: 0,
    about: 'How long unresolved dead letters are kept; unset: until they are resolved.',
  },
  retainAuditMs: {
    env: 'HOLDFAST_RETAIN_AUDIT',
    type: 'duration',
    default: '400d',
    min: 0,
    about: 'How long entries of the audit log are kept.',
  },
  auditEntriesMax: {
    env: 'HOLDFAST_AUDIT_ENTRIES_MAX',
    type: 'integer',
    default: '100000',
    min: 1,
    about: 'Most entries of the audit log kept; the oldest go first, 64 at a time.',
  },
  heldMaxMs: {
    env: 'HOLDFAST_HELD_MAX',
    type: 'duration',
    default: '30d',
    min: 0,
    about: 'How long deliveries of a paused or absent destination are held before they become dead letters.',
  },
  rejectionsMax: {
    env: 'HOLDFAST_REJECTIONS_MAX',
    type: 'integer',
    default: '1000',
    min: 0,
    about: 'Most rejected requests kept for inspection and verify-again.',
  },
  rejectionBytesMax: {
    env: 'HOLDFAST_REJECTION_BYTES_MAX',
    type: 'bytes',
    default: '16MiB',
    min: 0,
    about: 'Most bytes of rejected requests kept.',
  },
  rejectionsPerS: {
    env: 'HOLDFAST_REJECTIONS_PER_S',
    type: 'integer',
    default: '20',
    min: 0,
    about: 'Most rejected requests kept per second; the rest are only counted.',
  },
  encryptionKeys: {
    env: 'HOLDFAST_ENCRYPTION_KEYS',
    type: 'list',
    default: '',
    secret: true,
    about:
      'Keys that seal the secrets of endpoints, each 32 bytes in base64, the newest first; unset: one is made and kept beside an embedded store; a shared store needs them as soon as an endpoint has a secret.',
  },
  endpointsPerTenantMax: {
    env: 'HOLDFAST_ENDPOINTS_PER_TENANT_MAX',
    type: 'integer',
    default: '1000',
    min: 1,
    about: 'Most endpoints of one tenant; more are refused. Endpoints of no tenant are not counted.',
  },
  egressAllow: {
    env: 'HOLDFAST_EGRESS_ALLOW',
    type: 'list',
    default: '',
    about: 'Addresses, CIDR ranges and host names that may be sent to although they are not of the public internet.',
  },
  egressHttp: {
    env: 'HOLDFAST_EGRESS_HTTP',
    type: 'boolean',
    default: 'true',
    about: 'Whether http: URLs may be sent to as well as https:.',
  },
  egressProxy: {
    env: 'HOLDFAST_EGRESS_PROXY',
    type: 'text',
    default: null,
    secret: true,
    about: 'URL of a forward proxy for everything that is sent; HTTP_PROXY and its like are not looked at.',
  },
  alertBacklog: {
    env: 'HOLDFAST_ALERT_BACKLOG',
    type: 'integer',
    default: '10000',
    min: 1,
    about: 'Open deliveries of a destination above which the event backlog.high is reported.',
  },
  alertLagMs: {
    env: 'HOLDFAST_ALERT_LAG',
    type: 'duration',
    default: '5m',
    min: 1,
    about: 'Wait of the oldest ready delivery of a destination above which the event lag.high is reported.',
  },
  logLevel: {
    env: 'HOLDFAST_LOG_LEVEL',
    type: 'text',
    default: 'info',
    about: 'trace, debug, info, warn, error, fatal or silent.',
  },
} as const satisfies Record<string, Setting>;

export type SettingName = keyof typeof settings;

type ValueOf<Entry extends Setting> =
  | (Entry['default'] extends null ? null : never)
  | (Entry['type'] extends 'text' | 'url'
      ? string
      : Entry['type'] extends 'list'
        ? readonly string[]
        : Entry['type'] extends 'boolean'
          ? boolean
          : number);

/** Every setting with its value. */
export type Settings = { readonly [Name in SettingName]: ValueOf<(typeof settings)[Name]> };
