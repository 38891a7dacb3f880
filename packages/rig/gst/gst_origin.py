#!/usr/bin/python3
"""An RTSP origin that is not ours: gst-rtsp-server serving a folder of recordings on demand.

    gst_origin.py --media FOLDER [--host 127.0.0.1] [--port 0] [--auth basic|digest --user U --password P]
                  [--session-timeout 60] [--mtu 1400]

Every .mp4, .m4v, .mov, .mkv and .webm file of FOLDER is at rtsp://HOST:PORT/<file name>, with a pipeline of its own for
each session. /live is a test picture and tone for everybody at once, where an H.264 and an AAC encoder are installed.

Prints `ready PORT` once it listens, and then `asked METHOD` for each DESCRIBE, SETUP and PLAY that it answers with 200. Ends on SIGTERM, SIGINT, and when its standard input closes, so that it does not
outlive whoever started it.
"""

import argparse
import pathlib
import sys

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstPbutils", "1.0")
gi.require_version("GstRtsp", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstPbutils, GstRtsp, GstRtspServer  # noqa: E402

DEMUXERS = {
    ".mp4": "qtdemux",
    ".m4v": "qtdemux",
    ".mov": "qtdemux",
    ".mkv": "matroskademux",
    ".webm": "matroskademux",
}
# By caps name, and MPEG version where there are several. Parameter sets before every key frame, as cameras send them.
PAYLOADERS = {
    "video/x-h264": "h264parse ! rtph264pay config-interval=-1",
    "video/x-h265": "h265parse ! rtph265pay config-interval=-1",
    "video/mpeg 1": "mpegvideoparse ! rtpmpvpay",
    "video/mpeg 2": "mpegvideoparse ! rtpmpvpay",
    "image/jpeg": "jpegparse ! rtpjpegpay",
    "audio/mpeg 1": "mpegaudioparse ! rtpmpapay",
    "audio/mpeg 2": "aacparse ! rtpmp4gpay",
    "audio/mpeg 4": "aacparse ! rtpmp4gpay",
    "audio/x-opus": "opusparse ! rtpopuspay",
}
# Longer than any group of pictures: with the default of one second a seek onto a key frame of a long group never
# prerolls, and the session is lost after twenty seconds.
QUEUE = "queue max-size-buffers=0 max-size-bytes=0 max-size-time=30000000000"
# The default of one lets a single slow preroll stall every other viewer.
THREADS = 16
PROBE_TIMEOUT = 10 * Gst.SECOND
SWEEP_SECONDS = 2
ROLE = "viewer"


def codecs_of(path):
    """What a file's video and audio streams are, video first, as the demuxer will offer them."""
    found = GstPbutils.Discoverer.new(PROBE_TIMEOUT).discover_uri(path.resolve().as_uri())
    streams = found.get_video_streams() + found.get_audio_streams()
    return [codec_of(stream.get_caps().get_structure(0)) for stream in streams]


def codec_of(structure):
    known, version = structure.get_int("mpegversion")
    return f"{structure.get_name()} {version}" if known else structure.get_name()


def pipeline_for(path, mtu):
    """The launch line of a file, or None where no stream of it can be served."""
    codecs = [codec for codec in codecs_of(path) if codec in PAYLOADERS]
    if not codecs:
        return None
    location = str(path).replace("\\", "\\\\").replace('"', '\\"')
    branches = (
        f"demux. ! {QUEUE} ! {PAYLOADERS[codec]} name=pay{index} pt={96 + index} mtu={mtu}"
        for index, codec in enumerate(codecs)
    )
    return f'( filesrc location="{location}" ! {DEMUXERS[path.suffix.lower()]} name=demux {" ".join(branches)} )'


def live_pipeline(mtu):
    """A live picture and tone with the encoders that are here, or None."""
    has = Gst.ElementFactory.find
    video = next((e for e in ("x264enc", "openh264enc") if has(e)), None)
    if video is None:
        return None
    options = {
        "x264enc": "tune=zerolatency speed-preset=ultrafast bitrate=500 key-int-max=25",
        "openh264enc": "bitrate=500000 gop-size=25",
    }[video]
    line = (
        "videotestsrc is-live=true pattern=ball ! video/x-raw,width=320,height=180,framerate=25/1 "
        f"! {video} {options} ! h264parse ! rtph264pay config-interval=-1 name=pay0 pt=96 mtu={mtu}"
    )
    audio = next((e for e in ("avenc_aac", "voaacenc", "fdkaacenc") if has(e)), None)
    if audio is not None:
        line += (
            " audiotestsrc is-live=true wave=ticks ! audio/x-raw,rate=48000,channels=2 "
            f"! {audio} ! aacparse ! rtpmp4gpay name=pay1 pt=97 mtu={mtu}"
        )
    return f"( {line} )"


def mount(server, path, pipeline, options):
    factory = GstRtspServer.RTSPMediaFactory()
    factory.set_launch(pipeline)
    factory.set_shared(options.get("shared", False))
    if options.get("protected", False):
        permissions = GstRtspServer.RTSPPermissions()
        permissions.add_permission_for_role(ROLE, "media.factory.access", True)
        permissions.add_permission_for_role(ROLE, "media.factory.construct", True)
        factory.set_permissions(permissions)
    server.get_mount_points().add_factory(path, factory)


def protect(server, scheme, user, password):
    auth = GstRtspServer.RTSPAuth()
    token = GstRtspServer.RTSPToken()
    token.set_string("media.factory.role", ROLE)
    if scheme == "basic":
        auth.set_supported_methods(GstRtsp.RTSPAuthMethod.BASIC)
        auth.add_basic(GstRtspServer.RTSPAuth.make_basic(user, password), token)
    else:
        auth.set_supported_methods(GstRtsp.RTSPAuthMethod.DIGEST)
        auth.add_digest(user, password, token)
    server.set_auth(auth)


class Watch:
    """Sets the timeout of every session that a client begins, and tells what clients ask for."""

    def __init__(self, seconds):
        self.seconds = seconds

    def connected(self, _server, client):
        client.connect("new-session", lambda _client, session: session.set_timeout(self.seconds))
        for method in ("describe", "setup", "play"):
            client.connect(f"{method}-request", lambda _client, _context, name: print(f"asked {name}", flush=True), method.upper())


def quit_when_stdin_closes(loop):
    def readable(_channel, _condition):
        if sys.stdin.buffer.read1(4096):
            return True
        loop.quit()
        return False

    channel = GLib.IOChannel.unix_new(sys.stdin.fileno())
    GLib.io_add_watch(channel, GLib.PRIORITY_HIGH, GLib.IOCondition.IN | GLib.IOCondition.HUP, readable)


def parse_arguments():
    parser = argparse.ArgumentParser(description="An RTSP origin of gst-rtsp-server for tests.")
    parser.add_argument("--media", required=True, type=pathlib.Path)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--auth", choices=("basic", "digest"))
    parser.add_argument("--user", default="viewer")
    parser.add_argument("--password", default="")
    parser.add_argument("--session-timeout", type=int, default=60)
    parser.add_argument("--mtu", type=int, default=1400)
    return parser.parse_args()


def main():
    arguments = parse_arguments()
    Gst.init(None)
    server = GstRtspServer.RTSPServer()
    server.set_address(arguments.host)
    server.set_service(str(arguments.port))
    server.get_thread_pool().set_max_threads(THREADS)
    server.connect("client-connected", Watch(arguments.session_timeout).connected)
    protected = arguments.auth is not None
    for path in sorted(arguments.media.iterdir()):
        if path.suffix.lower() not in DEMUXERS:
            continue
        try:
            pipeline = pipeline_for(path, arguments.mtu)
        except GLib.Error as error:
            print(f"{path.name}: {error.message}", file=sys.stderr, flush=True)
            continue
        if pipeline is not None:
            mount(server, f"/{path.name}", pipeline, {"protected": protected})
    live = live_pipeline(arguments.mtu)
    if live is not None:
        mount(server, "/live", live, {"shared": True, "protected": protected})
    if protected:
        protect(server, arguments.auth, arguments.user, arguments.password)
    if server.attach(None) == 0:
        sys.exit(f"cannot listen on {arguments.host}:{arguments.port}")
    loop = GLib.MainLoop()
    for signal in (2, 15):
        GLib.unix_signal_add(GLib.PRIORITY_HIGH, signal, loop.quit)
    quit_when_stdin_closes(loop)

    def sweep():
        server.get_session_pool().cleanup()
        return True

    GLib.timeout_add_seconds(SWEEP_SECONDS, sweep)
    print(f"ready {server.get_bound_port()}", flush=True)
    loop.run()


if __name__ == "__main__":
    main()
