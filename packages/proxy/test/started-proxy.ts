import { Proxy, type ProxyOptions } from '../src/index.js';
import type { UdpPath } from '../src/viewer/udp-path.js';

const { FOREBAY_TEST_WORKERS: workers, FOREBAY_TEST_UDP: udpPath } = process.env;

/** How a proxy is run where a test does not say so itself: `FOREBAY_TEST_WORKERS` processes, `FOREBAY_TEST_UDP` as the path. */
const GIVEN: Partial<ProxyOptions> = {
  ...(workers === undefined ? {} : { workers: Number(workers) }),
  ...(udpPath === undefined ? {} : { udpPath: udpPath as UdpPath }),
};

/** Origins, proxies and viewers of several tests share one event loop, which has much to do at times. */
const NEVER_MS = 1e9;

/** Starts a proxy as the test says and, where it is silent, as the environment does. */
export function startedProxy(options: ProxyOptions): Promise<Proxy> {
  return Proxy.start({
    ...GIVEN,
    ...options,
    viewerLimits: { overloadMs: NEVER_MS, ...options.viewerLimits },
  });
}
