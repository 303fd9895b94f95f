/**
 * What a destination is called where names must be few: handlers and endpoints of the config by their name, all endpoints
 * that are managed through the API by one. There may be thousands of those, and they come and go.
 */
import { isId } from '../core/id.ts';

/** What stands for all endpoints that are managed through the API. */
const ENDPOINTS = 'endpoints';

/** Whether a destination is an endpoint that is managed through the API: its name is an id. */
export function isManaged(destination: string): boolean {
  return destination.startsWith('ep_') && isId('ep', destination);
}

export function destinationLabel(destination: string): string {
  return isManaged(destination) ? ENDPOINTS : destination;
}
