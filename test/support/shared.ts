// The specification's vectors live outside the repository; tests that need them skip with a notice.
import { existsSync, readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';

const SHARED = new URL('../../../shared/', import.meta.url);

/** The text of a file of the shared folder, unzipped where its name ends in .gz; null, with a printed notice, where it is absent. */
export function sharedText(path: string): string | null {
  const url = new URL(path, SHARED);
  if (!existsSync(url)) {
    console.warn(`skipped: the shared file ${path} is not present`);
    return null;
  }
  const bytes = readFileSync(url);
  return (path.endsWith('.gz') ? gunzipSync(bytes) : bytes).toString('utf8');
}

/** The JSON lines of a shared file, or null where it is absent. */
// eslint-disable-next-line @typescript-eslint/no-unnecessary-type-parameters -- the caller knows the shape of its file
export function sharedLines<T>(path: string): T[] | null {
  const text = sharedText(path);
  return text === null
    ? null
    : text
        .split('\n')
        .filter(Boolean)
        .map((line) => JSON.parse(line) as T);
}
