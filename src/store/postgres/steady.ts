/**
 * How the functions that gateways call are planned. A function's plan is made once a connection, maybe while its tables are
 * empty, and stays: so it must be right for a million rows. And it is small: compiling it would take longer than running it.
 */

/** Of every function that is called from outside. */
export const STEADY = 'SET search_path FROM CURRENT SET jit = off SET plan_cache_mode = force_generic_plan';

/** Of those that find a few rows among many: by index, one after the other, whatever the statistics say now. */
export const BY_INDEX = `${STEADY} SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off`;

/** Of those that read an index in its order: also not by collecting and sorting. */
export const IN_ORDER = `${BY_INDEX} SET enable_bitmapscan = off`;
