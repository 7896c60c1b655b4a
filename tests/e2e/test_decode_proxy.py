#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""The decoder that judges gostbpf's headers, judged by the recorded vectors (tests/vectors/proxy_header.tsv)."""
import csv
import ipaddress

import decode_proxy
import lib
from lib import case, check, same


def rows():
    with open(lib.ROOT / "tests/vectors/proxy_header.tsv", encoding="utf-8") as f:
        return list(csv.DictReader(f, delimiter="\t"))


def verdict(data):
    try:
        return "accept", decode_proxy.decode(data)
    except decode_proxy.Incomplete:
        return "need-more", None
    except decode_proxy.Bad:
        return "reject", None


@case
def verdicts_agree_with_the_vectors():
    wrong = []
    for row in rows():
        want = row["expected"].replace("not-proxy", "reject")
        got = verdict(bytes.fromhex(row["hex"]))[0]
        # One row is only a matter of taste: what has to be rejected at once may also be waited for.
        if got != want and not (want == "reject" and got == "need-more"):
            wrong.append(f"{row['name']}: {got} instead of {want}")
    check(not wrong, "\n".join(wrong))


@case
def decoded_addresses_agree_with_the_vectors():
    for row in rows():
        if row["expected"] != "accept":
            continue
        got = verdict(bytes.fromhex(row["hex"]))[1]
        same(got["version"], int(row["version"]), row["name"])
        same(got["length"], int(row["consumed"]), f"{row['name']}: consumed")
        if row["src"] and row["family"] in ("INET", "INET6"):
            same(ipaddress.ip_address(got["src"]), ipaddress.ip_address(row["src"]), row["name"])
            same((got["sport"], got["dport"]), (int(row["sport"]), int(row["dport"])), row["name"])


@case
def every_prefix_of_a_valid_header_is_incomplete():
    for row in rows():
        if row["expected"] != "accept":
            continue
        data = bytes.fromhex(row["hex"])[:int(row["consumed"])]
        for cut in range(len(data)):
            same(verdict(data[:cut])[0], "need-more", f"{row['name']} cut at {cut}")


@case
def crc32c_is_castagnoli():
    same(decode_proxy.crc32c(b"123456789"), 0xE3069283, "check value")


if __name__ == "__main__":
    lib.main("decode_proxy")
