/**
 * The gateway as one tenant sees it: the port that routes get when they are called with a token bound to a tenant.
 * Isolation by construction: every method of the port is here, and what has no tenant is refused. What belongs to
 * another tenant is not there (404), so that nobody learns that it exists.
 */
import type { EndpointChange, EndpointView } from '../endpoints/definition.ts';
import { HoldfastError } from '../errors.ts';
import type { HistoryStore, Listed } from '../store/store.ts';
import type { AdminPort, DestinationLive, EmitRequest, EndpointsPort } from './port.ts';

/** A method whose route does not say `tenants`: a caller that gets here has passed no guard. */
function refuse(): never {
  throw new HoldfastError('forbidden', { detail: 'A token that is bound to a tenant cannot see or do this.' });
}

/** The port of one tenant. */
export function tenantPort(port: AdminPort, tenant: string): AdminPort {
  const history = tenantHistory(port.history, tenant);
  return {
    history,
    endpoints: tenantEndpoints(port.endpoints, tenant),
    get rejections(): never {
      return refuse();
    },
    get audit(): never {
      return refuse();
    },
    get tokens(): never {
      return refuse();
    },
    report: () => port.report(),
    queue: () => null,
    spool: () => null,
    ready: () => port.ready(),
    // For what comes next of a delivery; who paused a destination is not a tenant's to know.
    destinations: () => port.destinations().map(forTenant),
    endpointsQueue: () => null,
    destination: (name) => {
      const live = port.destination(name);
      return live && forTenant(live);
    },
    emit: (requests) => port.emit(requests.map((request) => asTenant(request, tenant))),
    eventTypes: () => port.eventTypes(),
    cancel: async (eventId) => {
      if ((await history.event(eventId)) === null) throw new HoldfastError('not_found', { detail: eventId });
      await port.cancel(eventId);
    },
    replayDelivery: async (id, by) => {
      if ((await history.delivery(id)) === null) throw new HoldfastError('not_found', { detail: id });
      return port.replayDelivery(id, by);
    },
    identify: (token) => port.identify(token),
    verifyAgain: refuse,
    counts: refuse,
    processes: refuse,
    sources: refuse,
    overall: refuse,
    pause: refuse,
    resume: refuse,
    clear: refuse,
    replayEvent: refuse,
    planReplay: refuse,
    startReplay: refuse,
    replays: refuse,
    replay: refuse,
    cancelReplay: refuse,
    resolve: refuse,
    watch: refuse,
    metrics: refuse,
  };
}

/** @throws HoldfastError forbidden for an event of another tenant */
function asTenant(request: EmitRequest, tenant: string): EmitRequest {
  const asked = request.options.tenant;
  if (asked !== undefined && asked !== tenant)
    throw new HoldfastError('forbidden', { detail: `tenant: this token emits as '${tenant}' only.` });
  return { ...request, options: { ...request.options, tenant } };
}

/** The endpoints of one tenant; it makes them for itself, and moves none. */
function tenantEndpoints(endpoints: EndpointsPort, tenant: string): EndpointsPort {
  const get = async (id: string): Promise<EndpointView> => {
    const endpoint = await endpoints.get(id);
    if (endpoint.tenant !== tenant) throw new HoldfastError('not_found', { detail: id });
    return endpoint;
  };
  const own = <Given extends EndpointChange>(given: Given): Given => {
    if (given.tenant === undefined || given.tenant === tenant) return given;
    throw new HoldfastError('forbidden', { detail: `tenant: this token is for endpoints of '${tenant}' only.` });
  };
  return {
    list: (page) => endpoints.list({ ...page, tenant }),
    get,
    create: async (input, secret) => endpoints.create({ ...own(input), tenant }, secret),
    update: async (id, change, version) => endpoints.update((await get(id)).id, own(change), version),
    setState: async (id, state, by) => endpoints.setState((await get(id)).id, state, by),
    rotate: async (id, options) => endpoints.rotate((await get(id)).id, options),
    remove: async (id) => endpoints.remove((await get(id)).id),
    test: async (id, by) => endpoints.test((await get(id)).id, by),
  };
}

function forTenant(live: DestinationLive): DestinationLive {
  return { ...live, pausedBy: null };
}

const NOTHING = { rows: [], cursor: null };

/** The rows of one tenant. The store is asked for them only, and what it gives all the same is left out. */
function tenantHistory(history: HistoryStore, tenant: string): HistoryStore {
  const isOwn = (row: { readonly tenant: string | null }): boolean => row.tenant === tenant;
  const own = <Row extends { readonly tenant: string | null }>({ rows, cursor }: Listed<Row>): Listed<Row> => {
    return { rows: rows.filter(isOwn), cursor };
  };
  const delivery: HistoryStore['delivery'] = async (id) => {
    const record = await history.delivery(id);
    return record !== null && isOwn(record) ? record : null;
  };
  return {
    event: async (id) => {
      const record = await history.event(id);
      return record !== null && isOwn(record.event) ? record : null;
    },
    events: async (filter, page) => {
      if (filter.tenant !== undefined && filter.tenant !== tenant) return NOTHING;
      return own(await history.events({ ...filter, tenant }, page));
    },
    delivery,
    deliveries: async (filter, page) => {
      if (filter.tenant !== undefined && filter.tenant !== tenant) return NOTHING;
      return own(await history.deliveries({ ...filter, tenant }, page));
    },
    attempts: async (deliveryId) => ((await delivery(deliveryId)) === null ? [] : history.attempts(deliveryId)),
    counts: refuse,
  };
}
