/** The cells of the matrix that no case fills, and why. */
import type { Condition, Operation, Promised } from './harness.ts';

/** Why these cells of a promise are empty. */
export interface NotApplicable {
  readonly promise: Promised;
  readonly operations: readonly Operation[];
  readonly conditions: readonly Condition[];
  readonly reason: string;
}

const noClaim = 'It is done without a claim.';
const noWrite = 'It writes nothing, so no commit of its own can fail or be lost.';
const asDurable = 'The cases of `durable` under this condition compare everything that is told.';

/** Why cells are empty. */
export const notApplicable: readonly NotApplicable[] = [
  {
    promise: 'durable',
    operations: ['append', 'release', 'replay', 'resolve', 'bury', 'cancel', 'rename', 'document', 'put', 'close'],
    conditions: ['stale claim'],
    reason: noClaim,
  },
  { promise: 'durable', operations: ['appendIn'], conditions: ['stale claim'], reason: noClaim },
  {
    promise: 'durable',
    operations: ['settleIn'],
    conditions: ['stale claim'],
    reason: '`fenced` shows it.',
  },
  {
    promise: 'durable',
    operations: ['appendIn', 'settleIn'],
    conditions: ['repeat', 'reopen'],
    reason: 'It has no token, and is a row like any other once it is committed: `append` and `settle` show it.',
  },
  {
    promise: 'fenced',
    operations: ['settleIn'],
    conditions: ['normal', 'crash before commit', 'crash after commit', 'reopen'],
    reason: 'The claim is the same whoever commits: `durable` shows it for this operation, and `settle` here.',
  },
  {
    promise: 'durable',
    operations: ['put'],
    conditions: ['crash before commit'],
    reason: 'A put is a commit of one document: `document` shows it, where a commit can be interrupted.',
  },
  {
    promise: 'durable',
    operations: ['close'],
    conditions: ['crash before commit', 'crash after commit', 'reopen'],
    reason: 'Closing commits nothing; every other operation shows what is there after closing and after dying.',
  },
  {
    promise: 'fenced',
    operations: ['append', 'release', 'start', 'rename'],
    conditions: ['crash before commit', 'crash after commit', 'reopen'],
    reason: 'The current claim is one thing for all operations: `settle`, `claim` and `close` show it here.',
  },
  {
    promise: 'fenced',
    operations: ['append', 'rename'],
    conditions: ['repeat'],
    reason: 'Repeating it is repeating its token, which `durable` shows to give the same claims.',
  },
  {
    promise: 'fenced',
    operations: ['start'],
    conditions: ['normal', 'repeat'],
    reason: 'A start says nothing about who has the claim; `crash-bounded` shows what it does.',
  },
  { promise: 'fenced', operations: ['release'], conditions: ['repeat'], reason: 'The repeat is the stale claim.' },
  { promise: 'fenced', operations: ['rename', 'close'], conditions: ['stale claim'], reason: noClaim },
  {
    promise: 'fenced',
    operations: ['claim', 'renew'],
    conditions: ['crash before commit'],
    reason: 'It is no row of a commit: it has happened when it is answered.',
  },
  { promise: 'fenced', operations: ['claim'], conditions: ['reopen'], reason: '`close` shows it.' },
  {
    promise: 'fenced',
    operations: ['renew'],
    conditions: ['crash after commit', 'reopen'],
    reason: 'A renewed claim ends with its process like any other: `claim` and `close` show it.',
  },
  {
    promise: 'fenced',
    operations: ['close'],
    conditions: ['normal', 'repeat', 'crash before commit', 'crash after commit'],
    reason: 'What closing does to claims shows when the store is opened again.',
  },
  {
    promise: 'ordered',
    operations: ['append', 'settle', 'release', 'resolve', 'bury', 'cancel', 'rename', 'claim', 'purge'],
    conditions: ['repeat'],
    reason: 'What stands where is derived from the rows: a repeat that changes no row changes no order.',
  },
  {
    promise: 'ordered',
    operations: ['append', 'replay', 'resolve', 'bury', 'cancel', 'rename', 'purge'],
    conditions: ['stale claim'],
    reason: noClaim,
  },
  {
    promise: 'ordered',
    operations: ['release'],
    conditions: ['stale claim', 'crash before commit', 'crash after commit', 'reopen'],
    reason: 'A release leaves an open delivery where it was: `append` and `settle` show that it stays there.',
  },
  {
    promise: 'ordered',
    operations: ['replay', 'resolve', 'bury', 'cancel', 'rename', 'claim', 'purge'],
    conditions: ['crash before commit'],
    reason: 'A commit that failed changes no row and so no order; `append` and `settle` show it for both directions.',
  },
  {
    promise: 'ordered',
    operations: ['bury', 'cancel', 'purge'],
    conditions: ['crash after commit'],
    reason: 'What has ended and does not hold its key blocks nothing, however it ended: `settle` shows it.',
  },
  {
    promise: 'ordered',
    operations: ['resolve', 'bury', 'cancel', 'rename', 'claim', 'purge'],
    conditions: ['reopen'],
    reason: 'Order is rebuilt alike after a crash and after a proper close: `append`, `settle`, `replay` show both.',
  },
  { promise: 'deduplicated', operations: ['append', 'purge'], conditions: ['stale claim'], reason: noClaim },
  {
    promise: 'deduplicated',
    operations: ['settle'],
    conditions: ['repeat', 'crash before commit', 'crash after commit', 'reopen'],
    reason: 'What is emitted is appended: `append` shows it.',
  },
  {
    promise: 'deduplicated',
    operations: ['purge'],
    conditions: ['crash before commit'],
    reason: 'A step of retention may happen or not; either way a key counts until its window ends.',
  },
  {
    promise: 'exact',
    operations: ['append', 'settle', 'put'],
    conditions: ['stale claim'],
    reason: 'Nothing is stored.',
  },
  {
    promise: 'exact',
    operations: ['append', 'settle', 'put'],
    conditions: ['crash before commit'],
    reason: 'Nothing is stored.',
  },
  {
    promise: 'exact',
    operations: ['settle', 'put'],
    conditions: ['repeat'],
    reason: 'The first answer stays, and a document is replaced whole: there is nothing that could be mixed.',
  },
  {
    promise: 'exact',
    operations: ['settle', 'put'],
    conditions: ['crash after commit', 'reopen'],
    reason: 'What was read back once is read back alike: `append` shows it for bytes, `durable` for documents.',
  },
  {
    promise: 'crash-bounded',
    operations: ['append', 'claim', 'open'],
    conditions: ['normal', 'reopen'],
    reason: 'Nothing has crashed; `start` shows that starting and closing properly count nothing.',
  },
  {
    promise: 'crash-bounded',
    operations: ['settle'],
    conditions: ['reopen'],
    reason: 'Nothing has crashed; `start` shows that starting and closing properly count nothing.',
  },
  {
    promise: 'crash-bounded',
    operations: ['append', 'settle', 'claim'],
    conditions: ['repeat', 'stale claim', 'crash before commit'],
    reason: 'Only a committed mark of start makes a suspect: `start` shows it under these conditions.',
  },
  { promise: 'crash-bounded', operations: ['open'], conditions: ['stale claim'], reason: noClaim },
  {
    promise: 'crash-bounded',
    operations: ['open'],
    conditions: ['crash before commit'],
    reason: 'Dying while recovering cannot be arranged in one process; crash tests with real processes do it.',
  },
  { promise: 'retained', operations: ['purge', 'resolve', 'replay'], conditions: ['stale claim'], reason: noClaim },
  {
    promise: 'retained',
    operations: ['purge'],
    conditions: ['crash before commit'],
    reason: 'A step of retention may happen or not: the next step does what was not done.',
  },
  {
    promise: 'retained',
    operations: ['resolve', 'replay'],
    conditions: ['repeat', 'crash before commit', 'crash after commit', 'reopen'],
    reason: 'Age is derived from the rows, and `durable` shows that they are the same.',
  },
  {
    promise: 'truthful',
    operations: [
      ...([
        'open',
        'append',
        'resolve',
        'bury',
        'rename',
        'wakeUps',
        'event',
        'events',
        'delivery',
        'deliveries',
      ] as const),
      ...(['attempts', 'counts', 'get', 'list', 'watch'] as const),
    ],
    conditions: ['stale claim'],
    reason: noClaim,
  },
  {
    promise: 'truthful',
    operations: ['settle', 'claim'],
    conditions: ['stale claim'],
    reason: '`fenced` shows that a stale claim changes nothing that is told.',
  },
  {
    promise: 'truthful',
    operations: ['open', 'claim', 'wakeUps', 'event', 'events', 'delivery', 'deliveries', 'attempts', 'counts'],
    conditions: ['crash before commit'],
    reason: noWrite,
  },
  { promise: 'truthful', operations: ['get', 'list', 'watch'], conditions: ['crash before commit'], reason: noWrite },
  {
    promise: 'truthful',
    operations: ['open'],
    conditions: ['crash after commit', 'reopen'],
    reason: '`crash-bounded` shows what is reported after a crash and after a proper close.',
  },
  {
    promise: 'truthful',
    operations: ['append', 'settle', 'replay', 'resolve', 'bury', 'cancel', 'rename'],
    conditions: ['crash before commit', 'crash after commit', 'reopen'],
    reason: asDurable,
  },
  { promise: 'truthful', operations: ['append'], conditions: ['repeat'], reason: asDurable },
  {
    promise: 'truthful',
    operations: ['resolve', 'bury'],
    conditions: ['normal'],
    reason: 'The cases of `repeat` begin with the first time.',
  },
  {
    promise: 'truthful',
    operations: ['claim'],
    conditions: ['crash after commit'],
    reason: '`fenced` and `wakeUps` show what is ready after a crash.',
  },
  {
    promise: 'truthful',
    operations: ['event', 'delivery', 'counts', 'get', 'list'],
    conditions: ['repeat'],
    reason: 'Asking again is no other question: reads change nothing.',
  },
  {
    promise: 'truthful',
    operations: ['event', 'events', 'delivery', 'attempts', 'get', 'list'],
    conditions: ['crash after commit', 'reopen'],
    reason: 'The cases of `deliveries` compare all of History and Registry after a crash and after closing.',
  },
  {
    promise: 'truthful',
    operations: ['counts'],
    conditions: ['crash after commit'],
    reason: 'The case of `reopen` dies before it closes.',
  },
  {
    promise: 'truthful',
    operations: ['watch'],
    conditions: ['crash after commit', 'reopen'],
    reason: 'A watch ends with its process.',
  },
];
