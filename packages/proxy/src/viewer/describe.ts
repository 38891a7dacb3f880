import { formatRtspUrl } from '@forebay/rtsp';
import type { RtspRequest, RtspUrl } from '@forebay/rtsp';
import { find, namedSession, targetOf, type Answer, type Exchange } from './exchange.js';
import { Refusal } from './refusal.js';

const SDP = 'application/sdp';
const ACCEPTED = new Set([SDP, 'application/*', '*/*']);

/** Describes a presentation. Its URL may carry a stream part: the answer is about the whole. Source: RFC 2326 section 10.2. */
export async function describe(exchange: Exchange): Promise<Answer> {
  const { request } = exchange;
  const target = targetOf(request);
  refuseOtherFormats(request);
  namedSession(exchange);
  const presentation = await find(exchange, target.presentation);
  return {
    status: 200,
    headers: [
      ['Content-Type', SDP],
      ['Content-Base', contentBase(formatRtspUrl(target.presentation))],
    ],
    body: withControls(presentation.sdp(), target.presentation),
  };
}

/**
 * Stream controls are relative, but absolute where the URL has a query: GStreamer 1.22 resolves relative ones as RFC 3986
 * has it, which drops the query and the last element of the path, and asks for another title.
 */
function withControls(sdp: string, presentation: RtspUrl): string {
  if (presentation.query === '') return sdp;
  const folder = contentBase(presentation.path);
  return sdp.replace(/^a=control:(trackID=\d+)/gm, (_line, control: string) => {
    return `a=control:${formatRtspUrl({ ...presentation, path: folder + control })}`;
  });
}

/** Players put `trackID=N` right behind it, behind the query too, and some drop what follows the last slash. */
function contentBase(url: string): string {
  return url.endsWith('/') ? url : `${url}/`;
}

/** @throws Refusal 406 when SDP is not among what the viewer accepts. Source: RFC 2326 section 12.1 */
function refuseOtherFormats(request: RtspRequest): void {
  const accept = request.headers.get('Accept');
  if (accept === undefined || accept.trim() === '') return;
  const types = accept.split(',').map((type) => type.split(';', 1)[0]!.trim().toLowerCase());
  if (!types.some((type) => ACCEPTED.has(type))) throw new Refusal(406);
}
