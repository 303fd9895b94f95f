/** Batches of ten, of which SQS may refuse a part. */
import { forEachOf, inParts } from '../client.ts';
import { QueueError } from '../queue.ts';

/** https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-batch-api-actions.html */
export const BATCH_MAX = 10;

const IN_FLIGHT_MAX = 16;
const TRIES = 3;

/** One entry's refusal. */
export interface Refusal {
  readonly Id: string | undefined;
  readonly SenderFault: boolean | undefined;
  readonly Code: string | undefined;
}

/**
 * Sends entries in batches and repeats what was refused for a reason of SQS's own.
 * @param send One batch; answers what was refused. An entry's `Id` is its place in the batch.
 * @throws QueueError when an entry is refused again and again, or, unless they are `ignored`, for a fault of ours
 */
export async function inBatches<Entry>(
  entries: readonly Entry[],
  send: (batch: readonly Entry[]) => Promise<readonly Refusal[]>,
  faultsOfOurs: 'thrown' | 'ignored',
): Promise<void> {
  await forEachOf(inParts(entries, BATCH_MAX), IN_FLIGHT_MAX, async (batch) => {
    let left = batch;
    for (let tries = 1; left.length > 0; tries++) {
      const refused = await send(left);
      const ours = refused.find(({ SenderFault }) => SenderFault === true);
      if (ours !== undefined && faultsOfOurs === 'thrown') throw refusal(ours);
      const again = refused.filter(({ SenderFault }) => SenderFault !== true);
      if (again[0] !== undefined && tries === TRIES) throw refusal(again[0]);
      const tried = left;
      left = again.flatMap(({ Id }) => tried[Number(Id)] ?? []);
    }
  });
}

function refusal({ Code }: Refusal): QueueError {
  return new QueueError(`SQS refused an entry of a batch: ${Code ?? 'it does not say why'}.`);
}
