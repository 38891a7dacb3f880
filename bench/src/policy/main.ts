import { LogError, ReportError, runCommand, UsageError } from '@forebay/simulator';

try {
  await runCommand(process.argv.slice(2), (line) => process.stdout.write(`${line}\n`));
} catch (error) {
  if (!(error instanceof UsageError || error instanceof LogError || error instanceof ReportError))
    throw error;
  process.stderr.write(`${error.message}\n`);
  process.exitCode = 2;
}
