/** Where the benches write: the disk that holds this project, since a folder for temporary files may be memory. */
import { mkdtempSync } from 'node:fs';
import { join } from 'node:path';

/** A new folder, for the caller to remove. */
export function benchFolder(): string {
  return mkdtempSync(join(process.cwd(), 'dist', 'bench-disk-'));
}
