/**
 * The composition root: puts the parts of a gateway together, starts and stops them. The only file that picks a store.
 */
import { randomBytes, randomFillSync } from 'node:crypto';
import { dirname, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { createAdminApi } from './api/api.ts';
import type { AdminPort, EmitRequest } from './api/port.ts';
import { type Config, processEnvironment, redactedSettings, type ResolvedConfig, resolveConfig } from './config.ts';
import type { Clock, Random } from './core/clock.ts';
import { EMITTED } from './core/event.ts';
import { IdMaker } from './core/id.ts';
import type { Observer } from './core/observer.ts';
import type { EmitOptions } from './deliver/emit.ts';
import { makeEmitted } from './deliver/emitted.ts';
import type { BatchHandler, Handler } from './deliver/handler.ts';
import { LoopBlame } from './deliver/loop-blame.ts';
import { takes } from './dispatch/destination.ts';
import { Dispatcher } from './dispatch/dispatcher.ts';
import { Holds } from './dispatch/holds.ts';
import { Replays } from './dispatch/replay.ts';
import { Retention } from './dispatch/retention.ts';
import { HoldfastError } from './errors.ts';
import { adminPort, hashToken } from './gateway/admin.ts';
import { systemClock } from './gateway/clock.ts';
import { type BatchOptions, destinationOf, type HandlerOptions, type Registration } from './gateway/destinations.ts';
import { DiskWatch } from './gateway/disk.ts';
import type { Registry } from './gateway/types.ts';
import { combineObservers, type PartialObserver } from './observe/combine.ts';
import { Log } from './observe/log.ts';
import { Metrics } from './observe/metrics.ts';
import { Stats } from './observe/stats.ts';
import { StreamHub } from './observe/stream.ts';
import type { Store, StoreReport } from './store/store.ts';
