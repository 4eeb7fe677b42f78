"""`anabranch watch`: a run in a browser, live or recorded."""

from __future__ import annotations

import argparse
import ipaddress
import os
import sys
import tempfile
import threading
import webbrowser
from html import escape
from pathlib import Path

from anabranch.viz.asking import AskedWrongly, Commands, add_command, add_config, add_input, config_of, input_of, reason
from anabranch.viz.record_commands import events_of
from anabranch.viz.targets import load_chain
from anabranch.viz.watch_server import WatchServer
from anabranch.viz.watched_runs import WatchedRun

EXAMPLES = """\
examples:
  anabranch watch examples/report.py:chain --text otters
  anabranch watch my.module:chain --input '{"question": "why?"}' --record run.jsonl
  anabranch watch run.jsonl --chain my.module:chain

The page is served to this machine only, at an address that nobody can guess. It shows the graph with its steps as
they run, what each has said so far, and when; with a slider through time. Closing the page doesn't stop the run;
Ctrl-C stops the run and the page. (Extra: pip install "anabranch[serve,viz]".)
"""


def add_watch(commands: Commands) -> None:
    """Add the command."""
    watch = add_command(
        commands, "watch", "show a run in a browser, as it goes or once it is recorded", EXAMPLES, _watch
    )
    watch.add_argument("what", metavar="module:chain|run.jsonl", help="a chain to run, or a recorded run")
    add_input(watch)
    watch.add_argument("--chain", metavar="module:chain", help="of a recorded run: what ran, for the picture")
    watch.add_argument("--record", metavar="FILE", help="keep what happens in a file of JSON lines")
    watch.add_argument("--host", default="127.0.0.1", type=_loopback, help="127.0.0.1 (the default) or ::1")
    watch.add_argument("--port", default=0, type=_port, metavar="N", help="the port (default: any that is free)")
    watch.add_argument("--no-open", dest="open", action="store_false", help="don't open a browser")
    add_config(watch)


def _watch(options: argparse.Namespace) -> int:
    with tempfile.TemporaryDirectory(prefix="anabranch-") as folder:  # only this user may look into it
        if ":" in options.what and not os.path.exists(options.what):
            if options.chain is not None:
                raise AskedWrongly("--chain says what ran in a recorded run; here a chain is run")
            chain, value, config = load_chain(options.what), input_of(options), config_of(options)
            run = WatchedRun(options.what, options.record or os.path.join(folder, "run.jsonl"), chain)
            server = _server(run, options)
            try:
                run.start(value, config)
            except OSError as error:
                server.discard()
                raise AskedWrongly(f"--record: {options.record} can't be written ({reason(error)})") from error
        else:
            if options.input is not None or options.text is not None or options.record is not None:
                raise AskedWrongly(f"{options.what} is a recorded run, which takes neither an input nor --record")
            next(events_of(options.what), None)  # is it a record?
            ran = None if options.chain is None else load_chain(options.chain)
            run = WatchedRun(os.path.basename(options.what), options.what, ran)
            server = _server(run, options)
        print(f"{server.url}\nCtrl-C ends it.", flush=True)
        if options.open:
            _open_browser(server.url, Path(folder))
        try:
            server.serve()
        finally:
            run.stop()
            run.wait()
    return 0


def _server(run: WatchedRun, options: argparse.Namespace) -> WatchServer:
    try:
        return WatchServer(run, options.host, options.port)
    except OSError as error:
        raise AskedWrongly(f"{options.host}, port {options.port}, can't be had ({reason(error)})") from error


def _open_browser(url: str, folder: Path) -> None:
    """Open a browser, where there is a screen. It is led to the page by a file that only this user may read: arguments
    of processes can be seen by everybody."""
    if not (sys.platform in ("win32", "darwin") or os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        return
    page = folder / "open.html"
    page.write_text(f'<meta http-equiv="refresh" content="0; url={escape(url)}"><a href="{escape(url)}">the run</a>')
    threading.Thread(target=webbrowser.open, args=(page.as_uri(),), daemon=True).start()


def _loopback(text: str) -> str:
    try:
        if text == "localhost" or ipaddress.ip_address(text).is_loopback:
            return text
    except ValueError:
        pass
    raise argparse.ArgumentTypeError(f"{text!r} is not a loopback address: a run is shown to this machine only")


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is not a port")
    return int(text)
