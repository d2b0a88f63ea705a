"""A libtorrent session that takes orders: one JSON object a line on standard input, one answer a line on
standard output; it ends when its input does. Runs under the Python that Debian's libtorrent is made for.

    libtorrent_client.py ADDRESS PORT tcp|utp|plain UPLOAD_RATE [SETTINGS]

SETTINGS is a JSON object of more settings, those of the preset "high_performance_seed" first when it is named.

    {"do": "add", "torrent": FILE, "directory": DIR, "seed": BOOL, "peers": [[HOST, PORT], ...]}
    {"do": "settings"}  -> {name: value}
    {"do": "status"}    -> [{"info_hash", "done", "uploaded", "downloaded", "peers", "error"}, ...]
    {"do": "create", "source": PATH, "out": FILE, "flags": N, "piece": BYTES}    -> bytes of padding that share a block
                                                                                    with bytes of a file
"""

import json
import os
import sys

import libtorrent as lt

COMMON = {"enable_dht": False, "enable_lsd": False, "enable_upnp": False, "enable_natpmp": False,
         "allow_multiple_connections_per_ip": True, "alert_mask": 0, "user_agent": "libtorrent/" + lt.version}


def session(address, port, transport, upload_rate, settings="{}"):
    more = json.loads(settings)
    preset = lt.high_performance_seed() if more.pop("preset", "") == "high_performance_seed" else {}
    host = "[%s]" % address if ":" in address else address
    how = {"enable_incoming_utp": transport == "utp", "enable_outgoing_utp": transport == "utp",
           "upload_rate_limit": int(upload_rate)}
    if transport == "plain":
        how.update({"out_enc_policy": 2, "in_enc_policy": 2})
    where = {"listen_interfaces": "%s:%s" % (host, port), "outgoing_interfaces": address}
    return lt.session({**preset, **COMMON, **how, **more, **where}), {*COMMON, *how, *more, *where}


def settings_of(s, passed):
    """What is set: all that it was told, and what else is not as it is by default (a preset's)."""
    default = lt.default_settings()
    return {name: value for name, value in sorted(s.get_settings().items())
            if name in passed or (value or 0) != (default.get(name) or 0)}


def add(s, order):
    params = lt.add_torrent_params()
    params.ti = lt.torrent_info(order["torrent"])
    params.save_path = order["directory"]
    params.flags &= ~(lt.torrent_flags.auto_managed | lt.torrent_flags.paused)
    if order["seed"]:
        params.flags |= lt.torrent_flags.seed_mode
    handle = s.add_torrent(params)
    for host, port in order["peers"]:
        handle.connect_peer((host, port))


def client_of(peer):
    return peer.client.decode(errors="replace") if isinstance(peer.client, bytes) else peer.client


def status(s):
    answer = []
    for handle in s.get_torrents():
        now = handle.status()
        answer.append({
            "info_hash": str(handle.info_hashes().v1), "done": now.is_seeding, "error": now.errc.message()
            if now.errc.value() else "", "uploaded": now.total_payload_upload,
            "downloaded": now.total_payload_download, "wasted": now.total_redundant_bytes,
            "failed": now.total_failed_bytes, "peers": [client_of(p) for p in handle.get_peer_info()]})
    return answer


def create(order):
    files = lt.file_storage()
    lt.add_files(files, order["source"])
    made = lt.create_torrent(files, order["piece"], flags=order["flags"])
    lt.set_piece_hashes(made, os.path.dirname(order["source"]))
    with open(order["out"], "wb") as out:
        out.write(lt.bencode(made.generate()))
    return shared_padding(lt.torrent_info(order["out"]).files())


def shared_padding(files, block=16384):
    """Padding in blocks with a byte of a file, which are asked for whole; pieces are multiples of a block."""
    padding, payload = {}, set()
    for i in range(files.num_files()):
        at, end = files.file_offset(i), files.file_offset(i) + files.file_size(i)
        while at < end:
            stop = min(end, (at // block + 1) * block)
            if files.file_flags(i) & lt.file_flags_t.flag_pad_file:
                padding[at // block] = padding.get(at // block, 0) + stop - at
            else:
                payload.add(at // block)
            at = stop
    return sum(count for number, count in padding.items() if number in payload)


def main():
    s, passed = session(*sys.argv[1:])
    for line in sys.stdin:
        order = json.loads(line)
        answer = {"add": lambda: add(s, order), "status": lambda: status(s), "settings": lambda: settings_of(s, passed),
                  "create": lambda: create(order)}[order["do"]]()
        print(json.dumps(answer), flush=True)


main()
