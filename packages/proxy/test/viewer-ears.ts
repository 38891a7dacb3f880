import { createSocket, type RemoteInfo, type Socket } from 'node:dgram';
import { once } from 'node:events';
import t, { type Test } from 'tap';
import { parseTransport } from '@forebay/rtsp';
import { type BatchCall, loadBatchCall } from '../src/viewer/batch-call.js';
import { NativeSender } from '../src/viewer/native-sender.js';
import { sessionOf, type TestViewer } from './viewer-player.js';
import { hasIpv6, type RigOptions, withRig } from './viewer-rig.js';

export type Run = typeof withRig;
export type Body = (t: Test, run: Run, path: 'dgram' | 'native') => Promise<void>;

const native = await loadBatchCall().catch((error: unknown) => String(error));

/** A test on both ways out for datagrams. */
export function everyPath(name: string, body: Body, lacking: string | false = false): void {
  void t.test(`${name} (dgram)`, { skip: lacking }, (t) => body(t, withRig, 'dgram'));
  const skip = typeof native === 'string' ? native : lacking;
  void t.test(`${name} (native)`, { skip }, (t) => body(t, nativeRig, 'native'));
}

export function everyIpv6Path(name: string, body: Body): void {
  everyPath(name, body, !hasIpv6() && 'no IPv6 here');
}

async function nativeRig(options: RigOptions, work: Parameters<Run>[1]): Promise<void> {
  const faults: object[] = [];
  const sender = new NativeSender(native as BatchCall, (fault) => faults.push(fault));
  await withRig({ sender, ...options }, work);
  t.same(faults, [], 'nothing was left to dgram');
}

/** Two UDP sockets of a player. */
export class Ear {
  readonly rtp: Socket;
  readonly rtcp: Socket;
  readonly media: { bytes: Buffer; from: RemoteInfo }[] = [];
  readonly reports: { bytes: Buffer; from: RemoteInfo }[] = [];

  private constructor(rtp: Socket, rtcp: Socket) {
    this.rtp = rtp;
    this.rtcp = rtcp;
    rtp.on('message', (bytes, from) => this.media.push({ bytes, from }));
    rtcp.on('message', (bytes, from) => this.reports.push({ bytes, from }));
  }

  /** Ports next to each other, as SETUP wants them. */
  static async open(t: { teardown(fn: () => void): void }, address = '127.0.0.1'): Promise<Ear> {
    for (;;) {
      const type = address.includes(':') ? 'udp6' : 'udp4';
      const [rtp, rtcp] = [createSocket(type), createSocket(type)];
      try {
        rtp.bind(0, address);
        await once(rtp, 'listening');
        rtcp.bind(rtp.address().port + 1, address);
        await once(rtcp, 'listening');
        t.teardown(() => {
          rtp.close();
          rtcp.close();
        });
        return new Ear(rtp, rtcp);
      } catch {
        rtp.close();
        rtcp.close();
      }
    }
  }

  get transport(): string {
    const { port } = this.rtp.address();
    return `RTP/AVP;unicast;client_port=${port}-${port + 1}`;
  }
}

export async function setUpUdp(
  viewer: TestViewer,
  url: string,
  ear: Ear,
): Promise<{ Session: string; ports: readonly [number, number] }> {
  const setup = await viewer.request('SETUP', url, { Transport: ear.transport });
  const [told] = parseTransport(setup.headers.get('Transport') ?? '', 'origin');
  if (told?.serverPort === undefined) throw new Error(`no ports: ${setup.status}`);
  return { Session: sessionOf(setup), ports: told.serverPort };
}

/** The first port of a range that is free now, by the system's choice, or was a moment ago. */
export async function freeRange(pairs: number): Promise<number> {
  const probe = createSocket('udp4');
  probe.bind(0, '127.0.0.1');
  await once(probe, 'listening');
  const { port } = probe.address();
  probe.close();
  await once(probe, 'close');
  return port - (port % (2 * pairs));
}
