import { connect } from 'node:net';

/** Where a viewer leaves: connected, with the question half sent, with it sent, or with the answer begun. */
export const ABANDON_STAGES = ['connected', 'half-asked', 'asked', 'answered'] as const;
export type AbandonStage = (typeof ABANDON_STAGES)[number];

export interface AbandonOptions {
  readonly host: string;
  readonly port: number;
  readonly path: string;
  readonly localAddress: string;
  readonly stage: AbandonStage;
  /** Leaves with RST in place of FIN. */
  readonly reset: boolean;
}

/** A viewer that connects, asks for a description, and is gone. Resolves when its socket is. */
export function abandon({ host, port, path, localAddress, stage, reset }: AbandonOptions): Promise<void> {
  const question = `DESCRIBE rtsp://${host}:${port}${path} RTSP/1.0\r\nCSeq: 1\r\nAccept: application/sdp\r\n\r\n`;
  return new Promise((resolve) => {
    const socket = connect({ host, port, localAddress });
    const leave = (): void => {
      if (reset) socket.resetAndDestroy();
      else socket.destroy();
    };
    socket.on('connect', () => {
      if (stage === 'connected') leave();
      else if (stage === 'half-asked') socket.write(question.slice(0, question.length / 2), leave);
      else if (stage === 'asked') socket.write(question, leave);
      else socket.write(question);
    });
    socket.on('data', leave);
    // The proxy may close first: the viewer is gone then, too.
    socket.on('error', () => undefined);
    socket.on('end', leave);
    socket.on('close', () => resolve());
  });
}
