#!/usr/bin/python3
"""Plays an RTSP URL with GStreamer's rtspsrc and tells what came of it, as one line of JSON.

    gst_player.py URL [--protocols tcp|udp|tcp+udp] [--latency MS] [--seek SECONDS] [--pause-at SECONDS --pause-for SECONDS]
                  [--stop-after SECONDS] [--timeout SECONDS] [--user U --password P]

    {"ended": "eos" | "stopped" | "timeout" | "error", "error": null, "endSeconds": 10.1,
     "streams": [{"media": "video", "encoding": "H264", "firstSeconds": 0.2, "hashes": ["..."], "ptsSeconds": [0.0],
      "shown": 250}]}

Hashes are MD5 of what the depayloader gives: one picture, or one audio frame. `shown` of them reached the sink: what came
so late that its time, as the jitter buffer has it, lies behind the announced end did not. With --seek the lists are of what came
after the seek. Times count from the start of the pipeline. Exit code 0 for "eos" and "stopped".
"""

import argparse
import hashlib
import json
import os
import sys
import threading
import time

import gi

gi.require_version("Gst", "1.0")
from gi.repository import GLib, Gst  # noqa: E402

# Behind the depayloader: what makes one buffer of one picture or frame.
DEPAYLOADERS = {
    "H264": "rtph264depay ! h264parse ! video/x-h264,stream-format=byte-stream,alignment=au",
    "H265": "rtph265depay ! h265parse ! video/x-h265,stream-format=byte-stream,alignment=au",
    "JPEG": "rtpjpegdepay",
    "MPEG4-GENERIC": "rtpmp4gdepay",
    "MPV": "rtpmpvdepay ! mpegvideoparse",
    "OPUS": "rtpopusdepay",
}
# Looked up once and by one thread: pads appear on several at a time, and the first look is not safe then.
FLUSH_EVENTS = Gst.PadProbeType.EVENT_FLUSH
FLUSH_STOP = Gst.EventType.FLUSH_STOP
PASS = Gst.PadProbeReturn.OK
READ = Gst.MapFlags.READ
NO_TIME = Gst.CLOCK_TIME_NONE
SECOND = Gst.SECOND
SETTLE_MS = 300
TEARDOWN_SECONDS = 3


class Stream:
    def __init__(self, media, encoding):
        self.media = media
        self.encoding = encoding
        self.first_seconds = None
        self.hashes = []
        self.pts_seconds = []
        self.shown = 0

    def clear(self):
        self.first_seconds = None
        self.hashes = []
        self.pts_seconds = []
        self.shown = 0

    def report(self):
        return {
            "media": self.media,
            "encoding": self.encoding,
            "firstSeconds": self.first_seconds,
            "hashes": self.hashes,
            "ptsSeconds": self.pts_seconds,
            "shown": self.shown,
        }


class Player:
    def __init__(self, arguments):
        self.arguments = arguments
        self.loop = GLib.MainLoop()
        self.streams = []
        self.ended = None
        self.error = None
        self.has_sought = arguments.seek is None
        self.start = time.monotonic()
        self.pipeline = Gst.Pipeline.new(None)
        self.source = Gst.ElementFactory.make("rtspsrc", None)
        self.source.set_property("location", arguments.url)
        self.source.set_property("latency", arguments.latency)
        Gst.util_set_object_arg(self.source, "protocols", arguments.protocols)
        if arguments.user is not None:
            self.source.set_property("user-id", arguments.user)
            self.source.set_property("user-pw", arguments.password)
        self.source.connect("pad-added", self.on_pad)
        self.pipeline.add(self.source)
        bus = self.pipeline.get_bus()
        bus.add_signal_watch()
        bus.connect("message", self.on_message)

    def seconds(self):
        return round(time.monotonic() - self.start, 4)

    def on_pad(self, _source, pad):
        caps = (pad.get_current_caps() or pad.query_caps(None)).get_structure(0)
        encoding = (caps.get_string("encoding-name") or "").upper()
        depayloader = DEPAYLOADERS.get(encoding)
        if depayloader is None:
            self.stop("error", f"no depayloader for {encoding}")
            return
        stream = Stream(caps.get_string("media"), encoding)
        self.streams.append(stream)
        branch = Gst.parse_bin_from_description(
            f"queue ! {depayloader} ! identity name=arrived signal-handoffs=true "
            "! fakesink name=sink sync=false signal-handoffs=true",
            True,
        )
        branch.get_by_name("arrived").connect("handoff", self.on_buffer, stream)
        sink = branch.get_by_name("sink")
        # It shows everything at once, so that in a pause nothing is left to wait for.
        sink.set_property("async", self.arguments.pause_at is None)
        sink.connect("handoff", self.on_shown, stream)
        sink.get_static_pad("sink").add_probe(FLUSH_EVENTS, self.on_flush, stream)
        self.pipeline.add(branch)
        branch.sync_state_with_parent()
        pad.link(branch.get_static_pad("sink"))

    def on_flush(self, _pad, info, stream):
        if info.get_event().type == FLUSH_STOP:
            stream.clear()
        return PASS

    def on_shown(self, _sink, _buffer, _pad, stream):
        stream.shown += 1

    def on_buffer(self, _identity, buffer, stream):
        if stream.first_seconds is None:
            stream.first_seconds = self.seconds()
        _, contents = buffer.map(READ)
        stream.hashes.append(hashlib.md5(contents.data).hexdigest())
        buffer.unmap(contents)
        stream.pts_seconds.append(None if buffer.pts == NO_TIME else round(buffer.pts / SECOND, 6))
        if not self.has_sought:
            self.has_sought = True
            GLib.timeout_add(SETTLE_MS, self.seek)

    def seek(self):
        flags = Gst.SeekFlags.FLUSH | Gst.SeekFlags.KEY_UNIT
        self.pipeline.seek_simple(Gst.Format.TIME, flags, int(self.arguments.seek * Gst.SECOND))
        return False

    def pause(self):
        self.pipeline.set_state(Gst.State.PAUSED)
        GLib.timeout_add(int(self.arguments.pause_for * 1000), self.resume)
        return False

    def resume(self):
        self.pipeline.set_state(Gst.State.PLAYING)
        return False

    def on_message(self, _bus, message):
        if message.type == Gst.MessageType.EOS:
            self.stop("eos")
        elif message.type == Gst.MessageType.ERROR:
            error, detail = message.parse_error()
            self.stop("error", f"{error.message} ({(detail or '').splitlines()[-1:]})")

    def stop(self, ended, error=None):
        if self.ended is None:
            self.ended = ended
            self.error = error
            self.end_seconds = self.seconds()
        self.loop.quit()
        return False

    def run(self):
        self.pipeline.set_state(Gst.State.PLAYING)
        GLib.timeout_add(int(self.arguments.timeout * 1000), self.stop, "timeout")
        if self.arguments.stop_after is not None:
            GLib.timeout_add(int(self.arguments.stop_after * 1000), self.stop, "stopped")
        if self.arguments.pause_at is not None:
            GLib.timeout_add(int(self.arguments.pause_at * 1000), self.pause)
        self.loop.run()
        report = {
            "ended": self.ended,
            "error": self.error,
            "endSeconds": self.end_seconds,
            "streams": [stream.report() for stream in self.streams],
        }
        print(json.dumps(report), flush=True)
        code = 0 if self.ended in ("eos", "stopped") else 1
        # Everything is said: a pipeline that does not come to rest must not keep the caller waiting.
        leave = threading.Timer(TEARDOWN_SECONDS, os._exit, [code])
        leave.daemon = True
        leave.start()
        self.pipeline.set_state(Gst.State.NULL)
        leave.cancel()
        return code


def rehearse():
    """Uses every type once, in one thread: PyGObject makes them when they are first used, and not safely in two threads."""
    Gst.Caps.from_string("application/x-rtp,media=video").get_structure(0).get_string("media")
    branch = Gst.parse_bin_from_description("queue ! fakesink name=sink", True)
    pad = branch.get_by_name("sink").get_static_pad("sink")
    (pad.get_current_caps() or pad.query_caps(None)).get_size()
    buffer = Gst.Buffer.new_wrapped(b"rehearsal")
    _, contents = buffer.map(READ)
    bytes(contents.data)
    buffer.unmap(contents)
    assert buffer.pts == NO_TIME and Gst.Event.new_flush_stop(True).type == FLUSH_STOP


def main():
    parser = argparse.ArgumentParser(description="Plays an RTSP URL and reports what came, for tests.")
    parser.add_argument("url")
    parser.add_argument("--protocols", default="tcp")
    parser.add_argument("--latency", type=int, default=200)
    parser.add_argument("--seek", type=float)
    parser.add_argument("--pause-at", type=float)
    parser.add_argument("--pause-for", type=float, default=0)
    parser.add_argument("--stop-after", type=float)
    parser.add_argument("--timeout", type=float, default=60)
    parser.add_argument("--user")
    parser.add_argument("--password", default="")
    Gst.init(None)
    rehearse()
    sys.exit(Player(parser.parse_args()).run())


if __name__ == "__main__":
    main()
