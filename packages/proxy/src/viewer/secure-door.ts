import type { Socket } from 'node:net';
import { createSecureContext, createServer, type Server, type TLSSocket } from 'node:tls';

/** What viewers are shown over TLS: PEM, the certificate with those between it and an authority. */
export interface TlsIdentity {
  readonly certificate: string;
  readonly key: string;
}

export interface SecureDoorOptions {
  readonly identity: TlsIdentity;
  /** A handshake that takes longer has failed. */
  readonly handshakeMs: number;
  readonly onSecure: (socket: TLSSocket) => void;
  /** What came was no TLS, or nothing in common with us; the connection is being closed. */
  readonly onFailed: (error: Error, viewer: string | undefined) => void;
}

/** TLS on connections that were accepted elsewhere. Source: RFC 7826 section 19.2 for `rtsps`, which RFC 2326 does not have. */
export class SecureDoor {
  readonly #server: Server;
  /** Connections in their handshake, by the viewer's address and port: TLS does not say which one it is done with. */
  readonly #shaking = new Map<string, Socket>();

  /** @throws the system's error where certificate and key cannot be read, or do not belong together */
  constructor({ identity, handshakeMs, onSecure, onFailed }: SecureDoorOptions) {
    // It never listens: connections are given to it, as its documentation allows.
    this.#server = createServer({
      ...optionsOf(identity),
      handshakeTimeout: handshakeMs,
    });
    this.#server.on('secureConnection', (socket) => {
      this.#shaking.delete(nameOf(socket));
      socket.allowHalfOpen = true;
      onSecure(socket);
    });
    this.#server.on('tlsClientError', (error, socket) => {
      const { remoteAddress } = socket;
      // One whose time is over is open still.
      socket.destroy();
      onFailed(error, remoteAddress);
    });
  }

  /** @throws as the constructor */
  change(identity: TlsIdentity): void {
    this.#server.setSecureContext(optionsOf(identity));
  }

  admit(socket: Socket): void {
    const name = nameOf(socket);
    this.#shaking.set(name, socket);
    socket.once('close', () => {
      if (this.#shaking.get(name) === socket) this.#shaking.delete(name);
    });
    // Who goes before the handshake is over wants no answer, and is not kept until its time is over.
    socket.allowHalfOpen = false;
    this.#server.emit('connection', socket);
  }

  /** Ends the handshakes that are not over. */
  close(): void {
    for (const socket of this.#shaking.values()) socket.destroy();
  }
}

/** Says whether viewers can be shown this. @throws the system's error where they cannot */
export function checkIdentity(identity: TlsIdentity): void {
  createSecureContext(optionsOf(identity));
}

function nameOf({ remoteAddress, remotePort }: Socket): string {
  return `${remoteAddress} ${remotePort}`;
}

function optionsOf({ certificate, key }: TlsIdentity): { cert: string; key: string } {
  return { cert: certificate, key };
}
