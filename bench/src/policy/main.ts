import { LogError, runCommand, UsageError } from '@forebay/simulator';

try {
  await runCommand(process.argv.slice(2), (line) => process.stdout.write(`${line}\n`));
} catch (error) {
  if (!(error instanceof UsageError || error instanceof LogError)) throw error;
  process.stderr.write(`${error.message}\n`);
  process.exitCode = 2;
}
