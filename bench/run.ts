/** `npm run bench`: measures every theme, or those asked for, and prints a table. */
import { benchCommand } from './command.js';
import { THEMES } from './themes.js';

await benchCommand(THEMES, {
  out: (text) => process.stdout.write(text),
  progress: (text) => process.stderr.write(text),
}).parseAsync();
// What failed may have left threads behind that would keep the process.
process.exit();
