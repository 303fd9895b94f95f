/** The store's own settings in its URL; what remains is for `pg`. */
import { nearestName } from '../../core/suggest.ts';
import { HoldfastError } from '../../errors.ts';

/** What a URL says. */
export interface PostgresAddress {
  /** For `pg`, without the settings below. */
  readonly url: string;
  readonly schema?: string;
  readonly connectionsMax?: number;
  readonly transactionsMax?: number;
  /** `null`: nowhere. */
  readonly listenUrl?: string | null;
}

const CONNECTIONS_LEAST = 2;
const OURS = ['schema', 'connections', 'transactions', 'listen'];

/** @throws HoldfastError config_invalid, which names no part of the URL that may be secret */
export function postgresAddress(text: string): PostgresAddress {
  if (!URL.canParse(text)) throw invalid('expected postgres://USER:PASSWORD@HOST:PORT/DATABASE');
  const url = new URL(text);
  const take = (name: string): string | null => {
    const value = url.searchParams.get(name);
    url.searchParams.delete(name);
    return value;
  };
  const schema = take('schema');
  const connections = take('connections');
  const transactions = take('transactions');
  const listen = take('listen');
  if (connections !== null && !(Number.isInteger(Number(connections)) && Number(connections) >= CONNECTIONS_LEAST)) {
    throw invalid(`connections: expected a whole number from ${CONNECTIONS_LEAST}, got '${connections}'`);
  }
  if (transactions !== null && !(Number.isInteger(Number(transactions)) && Number(transactions) >= 1)) {
    throw invalid(`transactions: expected a whole number from 1, got '${transactions}'`);
  }
  if (listen !== null && listen !== 'off' && !URL.canParse(listen)) {
    throw invalid("listen: expected 'off', or the URL of a direct connection, percent-encoded");
  }
  // What else there is goes to `pg`, which knows many; one that is nearly ours would be passed over in silence.
  for (const name of url.searchParams.keys()) {
    const meant = nearestName(name, OURS, 2);
    if (meant !== null) throw invalid(`its URL has '${name}' (did you mean '${meant}'?)`);
  }
  return {
    url: url.href,
    ...(schema !== null && { schema }),
    ...(connections !== null && { connectionsMax: Number(connections) }),
    ...(transactions !== null && { transactionsMax: Number(transactions) }),
    ...(listen !== null && { listenUrl: listen === 'off' ? null : listen }),
  };
}

function invalid(what: string): HoldfastError {
  return new HoldfastError('config_invalid', { detail: `store: ${what}.` });
}
