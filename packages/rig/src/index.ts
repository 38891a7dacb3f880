export { RigError } from './errors.js';
export type { RigErrorCode } from './errors.js';
export { RigOrigin } from './origin/origin.js';
export type { LoggedRequest, MountOptions, OriginCounters, OriginOptions } from './origin/options.js';
export type { OriginAccess, OriginFaults } from './origin/faults.js';
export { bundledTitle } from './title/bundled.js';
export type { BundledTitleOptions } from './title/bundled.js';
export { checkSynthetic, readSyntheticStamp } from './title/stamp.js';
export type { Stamp } from './title/stamp.js';
export { syntheticTitle } from './title/synthetic.js';
export type { SyntheticTitleOptions } from './title/synthetic.js';
export { TITLE_FLAG } from './title/title.js';
export type { PacketTable, Title, TitleStream } from './title/title.js';
export type { AccessUnit, AccessUnitOptions, Continuity, StreamContinuity } from './viewer/continuity.js';
export { abandon, ABANDON_STAGES } from './viewer/abandon.js';
export { playOnce } from './viewer/play-once.js';
export type { PlayOnceOptions } from './viewer/play-once.js';
export type { PlayReply } from './viewer/play-reply.js';
export type { PayloadCheck, SenderReportRecord, StreamRecording } from './viewer/recording.js';
export { RigViewer } from './viewer/viewer.js';
export type { ViewerOptions, ViewerTimes, ViewerTransport } from './viewer/options.js';
export type { Pace } from './viewer/pace.js';
export { DelayRelay } from './relay/relay.js';
export type { RelayCounters, RelayOptions } from './relay/relay.js';
export { renderPage } from './tools/browser.js';
export type { RenderedPage } from './tools/browser.js';
export { GstOrigin } from './tools/gst.js';
export type { GstOriginOptions } from './tools/gst.js';
export { ensureMedia } from './tools/media.js';
export type { TestMedia } from './tools/media.js';
export { ffmpegHashes, gstPlay } from './tools/players.js';
export type {
  FfmpegOptions,
  FfmpegResult,
  GstPlayOptions,
  GstPlayResult,
  GstStream,
} from './tools/players.js';
export { makeCertificate } from './tools/certificate.js';
export { prerequisites } from './tools/prerequisites.js';
export type { Prerequisites } from './tools/prerequisites.js';
