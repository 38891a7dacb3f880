import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import t from 'tap';

const MAIN = fileURLToPath(new URL('../src/startup/main.js', import.meta.url));
const TIMEOUT_MS = 120_000;

async function runMain(args: readonly string[]): Promise<{ code: number | null; out: string; err: string }> {
  const child = spawn(process.execPath, [MAIN, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  const timer = setTimeout(() => child.kill('SIGKILL'), TIMEOUT_MS);
  let [out, err] = ['', ''];
  child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (err += chunk.toString()));
  const [code] = (await once(child, 'close').finally(() => clearTimeout(timer))) as [number | null];
  return { code, out, err };
}

t.setTimeout(TIMEOUT_MS + 10_000);

t.test('a short run prints one line of JSON, and a report for people elsewhere', async (t) => {
  const { code, out, err } = await runMain(['--rounds', '1', '--round-trip-ms', '60', '--json']);
  t.equal(code, 0, code === 0 ? 'it ends well' : err);
  t.equal(out.split('\n').length, 2, 'one line and nothing else');
  const { transport, rttMs } = JSON.parse(out) as {
    transport: Record<'tcp' | 'udp', Record<'directMs' | 'coldMs' | 'warmMs', number>>;
    rttMs: number;
  };
  t.equal(rttMs, 60);
  for (const [name, { directMs, coldMs, warmMs }] of Object.entries(transport)) {
    t.ok(directMs >= 6 * rttMs, `${name}: direct takes six round trips: ${directMs}`);
    t.ok(coldMs >= 4 * rttMs, `${name}: cold takes the four that nobody can save: ${coldMs}`);
    t.ok(warmMs > 0 && warmMs < directMs, `${name}: warm waits for less than direct: ${warmMs}`);
  }
  t.match(err, /The first picture was the same in 12 of 12 starts/);
});

t.test('what cannot be done is said in a line', async (t) => {
  const { code, out, err } = await runMain(['--rounds', 'many']);
  t.equal(code, 2);
  t.equal(out, '');
  t.equal(err, '--rounds: a whole number from 1 to 1000, not many\n');
});
