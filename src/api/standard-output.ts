/**
 * What becomes of a command whose output cannot be written: its reader has seen enough (`| head`), the disk is full, the
 * terminal is gone.
 */
import { errorText } from '../core/errors.js';

/**
 * Ends the process once nobody reads its output: with 0, as there is nothing more to say to anybody. Children end with it.
 * @param isService whether the output is beside the point: then the process goes on without
 */
export function mindStandardOutput(isService: boolean): void {
  // There is nowhere to say it.
  process.stderr.on('error', () => undefined);
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (isService) return;
    if (error.code === 'EPIPE') process.exit(0);
    process.stderr.write(`the output cannot be written: ${errorText(error)}\n`);
    process.exit(1);
  });
}
