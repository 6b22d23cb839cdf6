"""A gateway whose way out is a proxy."""

import json
from pathlib import Path

from twisted.internet import reactor
from twisted.internet.endpoints import SSL4ServerEndpoint
from twisted.logger import formatEvent

from byok.core.egress import basic_authorization
from byok.core.secret import Secret
from tests.e2e import house
from tests.e2e.house import ENVIRONMENT, MODEL, OWN, House, configuration
from tests.e2e.raw import request
from tests.support import keys
from tests.support.provider import Provider
from tests.support.proxy import Proxy
from tests.upstream.certificates import Authority

HOST = "api.example"
SHOWN = basic_authorization("corp1", Secret(keys.PROXY_PASSWORD)).reveal()


class ProxyTests(House):
    async def setUp(self):
        self.patch(
            house, "ENVIRONMENT", {**ENVIRONMENT, "PROXY_TEST": keys.PROXY_PASSWORD}
        )
        authority = Authority()
        self.ca_file = authority.write(Path(self.mktemp()))
        self.inside = Provider(reactor)
        options = authority.issue(HOST).options()
        await self.inside.start(
            SSL4ServerEndpoint(reactor, 0, options, interface="127.0.0.1")
        )
        self.addCleanup(self.inside.stop)
        self.proxy = Proxy({f"{HOST}:443": self.inside.port}, wants=SHOWN)
        await self.proxy.start()
        self.addCleanup(self.proxy.stop)
        await super().setUp()

    def configuration(self) -> dict[str, object]:
        proxy = {
            "url": f"http://127.0.0.1:{self.proxy.port}",
            "username": "corp1",
            "password": "os.environ/PROXY_TEST",
        }
        ca_file = str(Path(self.ca_file).absolute())
        params = {"model": f"anthropic/{MODEL}", "ca_file": ca_file}
        return {
            **configuration(self.provider.url, egress_proxy=proxy),
            "model_list": [{"model_name": MODEL, "litellm_params": params}],
            "providers": {"anthropic": {"api_base": f"https://{HOST}"}},
        }

    async def test_a_message_goes_through_it(self):
        answer = await self.message(headers=OWN)

        self.assertEqual(answer.status, 200)
        (sent,) = self.inside.requests
        self.assertEqual(sent.values(b"x-api-key"), (keys.ANTHROPIC_API_KEY.encode(),))
        self.assertEqual(len(self.proxy.heads), 1)
        self.assert_no_alarm()

    async def test_what_the_proxy_refuses_is_told_as_the_proxys(self):
        self.proxy.wants = "Basic somebody-elses"

        answer = await self.message(headers=OWN)

        self.assertEqual(answer.status, 502)
        self.assertEqual(answer.value("x-byok-error"), "proxy.refused")
        self.assertEqual(answer.value("x-should-retry"), "false")
        self.assertIn(b"credentials", answer.body)
        self.assertNotIn(b"127.0.0.1", answer.body)
        (told,) = [formatEvent(each) for each in self.events if "fault" in each]
        self.assertIn(f"{MODEL} via http://127.0.0.1:{self.proxy.port}: ", told)
        for shown in (keys.PROXY_PASSWORD, SHOWN.removeprefix("Basic ")):
            self.assertNotIn(shown, f"{self.events}{answer.body!r}")

    async def test_what_the_proxy_cannot_reach_may_be_tried_again(self):
        self.proxy.leads = {}

        answer = await self.message(headers=OWN)

        self.assertEqual(answer.status, 502)
        self.assertEqual(answer.value("x-byok-error"), "proxy.failed")
        self.assertIsNone(answer.value("x-should-retry"))

    async def test_whoami_says_that_it_is_in_between(self):
        answer = await self.ask(request("/byok/whoami", method="GET", headers=OWN))

        (model,) = json.loads(answer.body)["models"]
        self.assertEqual(model["via"], f"http://127.0.0.1:{self.proxy.port}")
        self.assertNotIn(SHOWN.removeprefix("Basic ").encode(), answer.body)
