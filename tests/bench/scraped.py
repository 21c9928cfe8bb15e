"""What HTTP costs: the rate of messages relayed, without it, and with it and scraped every second."""

import http.client
import re
import statistics
import threading

from programs import LINE, NullApi, PATIENCE, Relay, Wrong, load
from table import number, progress, row

COUNT = 1000000  # takes some seconds: less would not be scraped
SETTINGS = {"http.address": "127.0.0.1:0"}


def scrape_each_second(address, is_over, sizes):
    connection = http.client.HTTPConnection(address, timeout=PATIENCE)
    while not is_over.wait(1):
        connection.request("GET", "/metrics")
        answer = connection.getresponse()
        sizes.append(len(answer.read()))
        if answer.status != 200:
            raise Wrong("/metrics: %d" % answer.status)
    connection.close()


def relay_all(settings, count):
    """Returns messages a second, end to end, CPU us a message, and how often it was scraped."""
    with NullApi() as api, Relay(api.url, settings) as relay:
        found = re.search(r"event=http_listening url=http://(\S+)", "".join(relay.log))
        is_over, sizes = threading.Event(), []
        scraper = threading.Thread(target=scrape_each_second,
                                   args=(found and found.group(1), is_over, sizes))
        if found:
            scraper.start()
        try:
            began_ns = load(relay.address, LINE, 50, 100, count)["began_ns"]
            counts = api.wait_for(count)
            cpu_us = relay.cpu_s() / count * 1e6
        finally:
            is_over.set()
        if found:
            scraper.join()
    return count / (counts["last_ns"] - began_ns) * 1e9, cpu_us, len(sizes)


def measure_scraping(rounds, _scale):
    """Which of the two comes first changes: so a machine that gets slower is fair to both."""
    without, scraped, scrapes = [], [], 0
    for turn in range(2 * rounds):
        progress("scraping: round %d of %d" % (turn + 1, 2 * rounds))
        for settings in ({}, SETTINGS) if turn % 2 == 0 else (SETTINGS, {}):
            rate, cpu_us, times = relay_all(settings, COUNT)
            (scraped if settings else without).append((rate, cpu_us))
            scrapes += times
    if scrapes < len(scraped):
        raise Wrong("%d rounds with %d scrapes" % (len(scraped), scrapes))
    shares = [ours[0] / theirs[0] for ours, theirs in zip(scraped, without)]
    share = statistics.median(shares)
    row("relayed with HTTP on, scraped each second", "%9s/s  %.1f %% of %s/s without (%.1f to %.1f)"
        ", %d scrapes" % (number(statistics.median(rate for rate, _ in scraped)), share * 100,
                          number(statistics.median(rate for rate, _ in without)),
                          min(shares) * 100, max(shares) * 100, scrapes), ">= 98 %", share >= 0.98)
    row("CPU of that, a message", "%.3f us, %.3f us without" %
        tuple(statistics.median(cpu_us for _, cpu_us in each) for each in (scraped, without)))
