/** The commands, in the order in which the help lists them. */
import type { Command } from './command.ts';
import { audit } from './commands/audit.ts';
import { backup } from './commands/backup.ts';
import { clear } from './commands/clear.ts';
import { deadLetters } from './commands/dead-letters.ts';
import { doctor } from './commands/doctor.ts';
import { endpoints } from './commands/endpoints.ts';
import { events } from './commands/events.ts';
import { init } from './commands/init.ts';
import { listen } from './commands/listen.ts';
import { migrateStore } from './commands/migrate-store.ts';
import { pause } from './commands/pause.ts';
import { rejections } from './commands/rejections.ts';
import { replay } from './commands/replay.ts';
import { restore } from './commands/restore.ts';
import { resume } from './commands/resume.ts';
import { salvage } from './commands/salvage.ts';
import { show } from './commands/show.ts';
import { simulate } from './commands/simulate.ts';
import { spool } from './commands/spool.ts';
import { start } from './commands/start.ts';
import { status } from './commands/status.ts';
import { tokens } from './commands/tokens.ts';
import { verify } from './commands/verify.ts';

export const commands: readonly Command[] = [
  start,
  init,
  simulate,
  verify,
  status,
  events,
  show,
  listen,
  rejections,
  deadLetters,
  replay,
  pause,
  resume,
  clear,
  endpoints,
  tokens,
  audit,
  backup,
  restore,
  salvage,
  migrateStore,
  spool,
  doctor,
];
