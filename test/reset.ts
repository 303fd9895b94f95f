import type { Socket } from 'node:net';

/**
 * Ends a connection at once, by a reset where that may be. A reset of a socket whose `end()` has not finished leaves a
 * handle that never closes, and the process then spins for ever at its exit (seen with Node 24.21).
 */
export function reset(socket: Socket): void {
  if (socket.writableEnded && !socket.writableFinished) socket.destroy();
  else socket.resetAndDestroy();
}
