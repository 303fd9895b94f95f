/** Secrets that are made once and kept beside an embedded store, readable by their owner only. */
import { mkdir, open, readFile, rename } from 'node:fs/promises';
import { dirname } from 'node:path';

/**
 * What the file holds, or what `make` gives where it holds nothing. A new one is on the disk, whole and under its name,
 * when this resolves: what is sealed or answered with it later must not outlive it in a power cut.
 */
export async function keptSecret(file: string, make: () => string): Promise<string> {
  const kept = (await readFile(file, 'utf8').catch(absent)).trim();
  if (kept !== '') return kept;
  const directory = dirname(file);
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const made = make();
  const draft = `${file}.new`;
  await written(draft, `${made}\n`);
  await rename(draft, file);
  await flushed(directory);
  return made;
}

/** One that is there and cannot be read is an error: making another would lose what the first one opens. */
function absent(error: NodeJS.ErrnoException): string {
  if (error.code === 'ENOENT') return '';
  throw error;
}

async function written(path: string, text: string): Promise<void> {
  const file = await open(path, 'w', 0o600);
  try {
    await file.chmod(0o600);
    await file.writeFile(text);
    await file.sync();
  } finally {
    await file.close();
  }
}

/** The name of a file is durable when its directory is. Windows flushes no directories, and needs none flushed. */
async function flushed(directory: string): Promise<void> {
  if (process.platform === 'win32') return;
  const handle = await open(directory, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
