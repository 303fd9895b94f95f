/** Ingest as a Next.js route handler, in a catch-all route: `app/api/hooks/[...path]/route.ts`. */
import type { Acceptor } from './accept.ts';
import { fetchIngest } from './fetch.ts';

export interface RoutesOptions {
  /** The path of the route's folder, `/api/hooks`: a source's path follows it. Default none. */
  readonly basePath?: string;
}

/** What a route file exports: `export const { GET, POST } = gateway.routes({ basePath: '/api/hooks' })`. */
export type Routes = Readonly<
  Record<'GET' | 'POST' | 'PUT' | 'HEAD' | 'OPTIONS', (request: Request) => Promise<Response>>
>;

/** @param acceptor Asked with every request: it may be another one after a hot reload. */
export function ingestRoutes(acceptor: () => Acceptor, { basePath = '' }: RoutesOptions = {}): Routes {
  const handle = (request: Request): Promise<Response> => fetchIngest(acceptor(), request, { basePath });
  return { GET: handle, POST: handle, PUT: handle, HEAD: handle, OPTIONS: handle };
}
