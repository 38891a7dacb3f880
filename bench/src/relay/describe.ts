import { connect } from 'node:net';
import { controlBase, formatRequest, Framer, parseDescription, resolveControl } from '@forebay/rtsp';
import type { RtspMessage } from '@forebay/rtsp';

const ANSWER_MS = 5000;
const TRY_EVERY_MS = 200;

/** Where the streams of a presentation are set up, and where it is played. */
export interface Controls {
  readonly host: string;
  readonly port: number;
  readonly setupUrls: readonly string[];
  readonly playUrl: string;
}

/** Asks DESCRIBE until there is an answer, for `patienceMs` at most. @throws Error */
export async function describe(url: string, patienceMs = 0): Promise<Controls> {
  const deadlineMs = performance.now() + patienceMs;
  for (;;) {
    try {
      return await describeOnce(url);
    } catch (error) {
      if (performance.now() > deadlineMs) throw error;
    }
    await new Promise((resolve) => setTimeout(resolve, TRY_EVERY_MS));
  }
}

async function describeOnce(url: string): Promise<Controls> {
  const { hostname, port } = new URL(url.replace(/^rtsp/, 'http'));
  const at = { host: hostname === 'localhost' ? '127.0.0.1' : hostname, port: Number(port || 554) };
  const message = await answerTo(url, at);
  if (message.kind !== 'response' || message.status !== 200) throw new Error(`${url}: no description`);
  const { headers, body } = message;
  const base = controlBase(
    { contentBase: headers.get('Content-Base'), contentLocation: headers.get('Content-Location') },
    url,
  );
  const { streams, control } = parseDescription(body.toString('latin1'));
  return {
    ...at,
    setupUrls: streams.map((stream) => resolveControl(base, stream.control)),
    playUrl: resolveControl(base, control ?? '*'),
  };
}

async function answerTo(url: string, at: { host: string; port: number }): Promise<RtspMessage> {
  const socket = connect({ ...at, timeout: ANSWER_MS });
  try {
    return await new Promise<RtspMessage>((resolve, reject) => {
      const framer = new Framer({ frame: () => undefined, message: resolve }, { from: 'origin' });
      socket.on('error', reject);
      socket.on('timeout', () => reject(new Error(`${url}: no answer`)));
      socket.on('close', () => reject(new Error(`${url}: closed`)));
      socket.on('data', (chunk) => framer.push(chunk));
      socket.write(
        formatRequest({ method: 'DESCRIBE', url, cseq: 1, headers: [['Accept', 'application/sdp']] }),
      );
    });
  } finally {
    socket.destroy();
  }
}
