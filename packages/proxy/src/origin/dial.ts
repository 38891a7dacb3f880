import { connect, isIP, type OnReadOpts, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import type { Clock } from '../clock.js';
import { checkWanted, Deadline, whenAborted } from './deadline.js';
import { OriginError } from './errors.js';
import { ORIGIN_LIMITS } from './limits.js';

/** Where to connect to. */
export interface Peer {
  readonly scheme: 'rtsp' | 'rtsps';
  readonly host: string;
  readonly port: number;
}

/**
 * A connected socket whose bytes go to `onread`. Certificates of rtsps origins are verified.
 * @throws OriginError `unreachable`, `tls`, `timeout` after 5 s (name resolution and handshake included), `aborted`
 */
export async function dial(
  peer: Peer,
  onread: OnReadOpts,
  o: { clock: Clock; signal: AbortSignal },
): Promise<Socket> {
  const deadline = new Deadline({
    clock: o.clock,
    ms: ORIGIN_LIMITS.connectMs,
    what: 'connecting',
    parents: [o.signal],
  });
  try {
    checkWanted(deadline.signal);
    return await connected(peer, onread, deadline.signal);
  } finally {
    deadline.end();
  }
}

function connected(peer: Peer, onread: OnReadOpts, signal: AbortSignal): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = openSocket(peer, onread);
    const ready = peer.scheme === 'rtsps' ? 'secureConnect' : 'connect';
    const settle = (): void => {
      stopWaiting();
      socket.off(ready, onReady);
      socket.off('error', onError);
      socket.off('close', onClose);
    };
    const fail = (error: OriginError): void => {
      settle();
      socket.on('error', () => undefined);
      socket.destroy();
      reject(error);
    };
    const onReady = (): void => {
      settle();
      resolve(socket);
    };
    const onError = (cause: NodeJS.ErrnoException): void => fail(dialError(peer, cause));
    const onClose = (): void => fail(new OriginError('unreachable', 'closed while connecting'));
    const stopWaiting = whenAborted(signal, fail);
    socket.once(ready, onReady);
    socket.once('error', onError);
    socket.once('close', onClose);
  });
}

function openSocket(peer: Peer, onread: OnReadOpts): Socket {
  const { host, port } = peer;
  if (peer.scheme === 'rtsp') return connect({ host, port, noDelay: true, onread });
  // Node hands `onread` on to the socket below, though its types do not say so.
  const options = { host, port, noDelay: true, onread, ...(isIP(host) === 0 ? { servername: host } : {}) };
  return connectTls(options);
}

/** Error codes of node:net that are no matter of reachability. */
function dialError(peer: Peer, cause: NodeJS.ErrnoException): OriginError {
  const code = cause.code ?? 'unknown';
  if (code === 'ETIMEDOUT') return new OriginError('timeout', code, { cause });
  const network = /^(?:ECONN|EHOST|ENET|ENOTFOUND|EAI_|EADDR|EACCES|EPERM|EPIPE)/.test(code);
  return new OriginError(peer.scheme === 'rtsp' || network ? 'unreachable' : 'tls', code, { cause });
}
