/** What a PostgreSQL server and its user are, before anything is made there. */
import type { Clock } from '../../core/clock.ts';
import { clockAhead } from '../fitness.ts';
import type { StoreReport } from '../store.ts';
import type { Connections, Row } from './connection.ts';
import { durabilityOf } from './durability.ts';
import { formatOf, refuseNewer } from './migrate.ts';

/** The report of a server as it is. Changes nothing. @throws HoldfastError config_invalid, store_format; StoreError */
export async function inspect(connections: Connections, schema: string, clock: Clock): Promise<StoreReport> {
  const durability = await durabilityOf(connections);
  const clockAheadMs = await clockAheadOf(connections, clock);
  const lacking = await lackingRights(connections, schema);
  // Whoever may not look into the schema cannot be told its format.
  const found = lacking.length > 0 ? null : await formatOf(connections, schema);
  refuseNewer(schema, found);
  return { ...durability, lacking, clockAheadMs, format: found?.format ?? 0 };
}

async function clockAheadOf(connections: Connections, clock: Clock): Promise<number> {
  const before = clock.now();
  const [row] = await connections.read('SELECT extract(epoch FROM clock_timestamp()) * 1000 AS now');
  return clockAhead({ before, after: clock.now(), server: Number(row?.['now']) });
}

/**
 * Rights that the role lacks, as `GRANT` names them. Tables by day are made as partitions while the gateway runs, and
 * only who owns a table may do that.
 */
async function lackingRights(connections: Connections, schema: string): Promise<readonly string[]> {
  const namespace = `SELECT n.oid, current_user AS role, current_database() AS database,
      has_database_privilege(current_database(), 'CREATE') AS creates,
      has_schema_privilege(n.oid, 'USAGE') AS uses, has_schema_privilege(n.oid, 'CREATE') AS makes
    FROM (SELECT 1) AS one LEFT JOIN pg_namespace n ON n.nspname = $1`;
  const [row = {}] = await connections.read(namespace, [schema]);
  const lacks = (right: string): string => `role ${String(row['role'])} lacks ${right}`;
  if (row['oid'] === null) {
    return row['creates'] === true ? [] : [lacks(`CREATE ON DATABASE ${String(row['database'])}`)];
  }
  return [
    ...(row['uses'] === true ? [] : [lacks(`USAGE ON SCHEMA ${schema}`)]),
    ...(row['makes'] === true ? [] : [lacks(`CREATE ON SCHEMA ${schema}`)]),
    ...(await tableRights(connections, schema)).map((right) => lacks(right)),
  ];
}

async function tableRights(connections: Connections, schema: string): Promise<readonly string[]> {
  const relations = `SELECT c.relname AS name, c.relkind::text AS kind, pg_has_role(c.relowner, 'USAGE') AS owns,
      ARRAY(SELECT p FROM unnest(CASE c.relkind WHEN 'S' THEN ARRAY[]::text[]
          ELSE ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE'] END) AS p
        WHERE NOT has_table_privilege(c.oid, p)) AS lacks,
      CASE c.relkind WHEN 'S' THEN has_sequence_privilege(c.oid, 'USAGE') ELSE true END AS counts
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname = $1 AND c.relkind IN ('r', 'p', 'S') AND NOT c.relispartition ORDER BY c.relname`;
  const rows = await connections.read(relations, [schema]);
  return rows.flatMap((row) => rightsOf(schema, row));
}

function rightsOf(schema: string, row: Row): readonly string[] {
  const table = `${schema}.${String(row['name'])}`;
  if (row['kind'] === 'p' && row['owns'] !== true) return [`the ownership of ${table}`];
  const lacks = row['lacks'] as readonly string[];
  if (lacks.length > 0) return [`${lacks.join(', ')} ON ${table}`];
  return row['counts'] === true ? [] : [`USAGE ON SEQUENCE ${table}`];
}
