"""
What the gateway costs beside haproxy and LiteLLM, measured from outside.

Run it as `python -m benchmarks.exchange`; `--help` lists what it takes. Each proxy
is driven in turn with the same bytes, between the same load and the same upstream.
On a machine that all of them share, times say as much about the machine as about the
proxy: the figure that holds is CPU time, divided by haproxy's in the same run.
"""
