// A bare Node loop: answers SETUP and PLAY, and writes a title's packets to whoever asked, as they become due, over TCP,
// one write a viewer a turn, without a look at them. As `bare.c`, and with its arguments.
import { readFileSync } from 'node:fs';
import { type AddressInfo, createServer, type Socket } from 'node:net';

const TICK_MS = 2;

interface Viewer {
  readonly socket: Socket;
  /** NPT 0 is due then. */
  readonly baseMs: number;
  nextMs: number;
  next: number;
}

const [file = '', period = '', lead = '', most = '', kind = ''] = process.argv.slice(2);
const [periodMs, aheadMs, mostBytes, isLive] = [Number(period), Number(lead), Number(most), kind === 'live'];
const all = readFileSync(file);
const words = new Uint32Array(all.buffer, all.byteOffset, 2);
const count = words[0]!;
const offsets = new Uint32Array(all.buffer, all.byteOffset + 8, count + 1);
const dueMicros = new Uint32Array(all.buffer, offsets.byteOffset + offsets.byteLength, count);
const bytes = all.subarray(all.length - words[1]!);
const viewers = new Set<Viewer>();
let epochMs: number | undefined;

const server = createServer({ noDelay: true }, (socket) => {
  let viewer: Viewer | undefined;
  socket.on('data', (request) => {
    const text = request.toString('latin1');
    if (text.startsWith('TEARDOWN') && viewer !== undefined) viewers.delete(viewer);
    const isPlay = text.startsWith('PLAY');
    const transport = isPlay ? '' : 'Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\n';
    socket.write(`RTSP/1.0 200 OK\r\nCSeq: ${isPlay ? 2 : 1}\r\nSession: 1\r\n${transport}\r\n`);
    if (!isPlay) return;
    viewer = viewerAt(socket, Number(/npt=([\d.]+)/.exec(text)?.[1] ?? 0) * 1000);
    viewers.add(viewer);
  });
  socket.on('error', () => undefined);
  socket.on('close', () => viewer !== undefined && viewers.delete(viewer));
});

function viewerAt(socket: Socket, askedMs: number): Viewer {
  const nowMs = performance.now();
  epochMs ??= nowMs;
  const fromMs = isLive ? nowMs - epochMs : askedMs;
  let next = 0;
  while (next < count && dueMicros[next]! < fromMs * 1000) next++;
  // The first packet is due now, but for live ones, which are all at the same place.
  const firstMs = isLive || next === count ? fromMs : dueMicros[next]! / 1000;
  return { socket, baseMs: nowMs - firstMs, nextMs: nowMs, next };
}

function turn(viewer: Viewer, nowMs: number): void {
  const { socket, baseMs, next } = viewer;
  if (socket.writableLength > 0 || !socket.writable) return;
  const limit = (nowMs - baseMs + aheadMs) * 1000;
  let to = next;
  while (to < count && dueMicros[to]! <= limit && offsets[to + 1]! - offsets[next]! <= mostBytes) to++;
  if (to === next) return;
  viewer.next = to;
  socket.write(bytes.subarray(offsets[next], offsets[to]));
}

function tick(dueMs: number): void {
  const nowMs = performance.now();
  for (const viewer of viewers) {
    if (viewer.nextMs > nowMs) continue;
    turn(viewer, nowMs);
    viewer.nextMs = Math.max(viewer.nextMs, nowMs - TICK_MS) + periodMs;
  }
  const nextMs = Math.max(dueMs + TICK_MS, performance.now());
  setTimeout(tick, nextMs - performance.now(), nextMs);
}

server.listen(0, '127.0.0.1', 4096, () => {
  process.stdout.write(`port ${(server.address() as AddressInfo).port}\n`);
  tick(performance.now());
});
