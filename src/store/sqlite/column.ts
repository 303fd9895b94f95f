/** A column of whole numbers, written with the fewest bytes that hold it: nothing when all are alike. */
import type { ByteReader, ByteWriter } from './bytes.ts';
import { damaged } from './failure.ts';

type Numbers = Int32Array | Uint32Array | Uint16Array;

/** Writes the lowest value and, in 0, 1, 2 or 4 bytes each, how far each lies above it. */
export function writeColumn(out: ByteWriter, values: Numbers): void {
  let low = values[0] ?? 0;
  let high = low;
  for (const value of values) {
    if (value < low) low = value;
    if (value > high) high = value;
  }
  const width = widthFor(high - low);
  out.varint(width);
  out.number(low);
  if (width === 0) return;
  const offsets =
    width === 1
      ? new Uint8Array(values.length)
      : width === 2
        ? new Uint16Array(values.length)
        : new Uint32Array(values.length);
  for (let index = 0; index < values.length; index++) offsets[index] = (values[index] ?? 0) - low;
  out.raw(new Uint8Array(offsets.buffer));
}

/** Reads what {@link writeColumn} wrote into `values`, which has the length it had. */
export function readColumn(from: ByteReader, values: Numbers): void {
  const width = from.varint();
  const low = from.number();
  if (width === 0) {
    values.fill(low);
    return;
  }
  if (width !== 1 && width !== 2 && width !== 4) throw damaged('a column');
  // Copied, because a view of 2 or 4 bytes must be aligned.
  const bytes = from.raw(values.length * width).slice();
  const offsets = width === 1 ? bytes : width === 2 ? new Uint16Array(bytes.buffer) : new Uint32Array(bytes.buffer);
  for (let index = 0; index < values.length; index++) values[index] = low + (offsets[index] ?? 0);
}

function widthFor(range: number): 0 | 1 | 2 | 4 {
  if (range === 0) return 0;
  if (range < 0x100) return 1;
  return range < 0x10000 ? 2 : 4;
}
