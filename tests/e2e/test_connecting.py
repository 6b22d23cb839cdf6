"""What a caller is told where a provider cannot be connected to in time."""

from twisted.internet import reactor
from twisted.internet.endpoints import TCP4ServerEndpoint
from twisted.internet.interfaces import IReactorPluggableNameResolver
from twisted.internet.protocol import Factory, Protocol
from twisted.logger import formatEvent

from tests.e2e.house import MODEL, OWN, House, configuration
from tests.upstream.globe import Names


class SilentServerTests(House):
    """A server that takes connections and never begins with TLS."""

    async def setUp(self):
        endpoint = TCP4ServerEndpoint(reactor, 0, interface="127.0.0.1")
        silent = Factory.forProtocol(Protocol)
        silent.noisy = False
        port = await endpoint.listen(silent)
        self.addCleanup(port.stopListening)
        self.silent_port = port.getHost().port
        await super().setUp()

    def configuration(self) -> dict[str, object]:
        parameters = {"model": f"anthropic/{MODEL}", "connect_timeout": 0.3}
        return {
            **configuration(self.provider.url),
            "model_list": [{"model_name": MODEL, "litellm_params": parameters}],
            "providers": {
                "anthropic": {
                    "api_base": f"https://localhost:{self.silent_port}",
                    "allow_private": True,
                }
            },
        }

    async def test_the_caller_is_told_within_the_time_to_connect(self):
        answer = await self.message(headers=OWN)

        self.assertEqual(answer.status, 504)
        self.assertEqual(answer.value("x-byok-error"), "provider.timed-out")
        self.assertIn(b"no connection to the provider could be made", answer.body)
        line = self.line()
        self.assertEqual((line["status"], line["error"]), (504, "provider.timed-out"))
        self.assertLess(line["duration_ms"], 5000)
        self.assert_no_alarm()


class InwardNameTests(House):
    """A provider whose name leads to where no provider should be."""

    async def setUp(self):
        world = IReactorPluggableNameResolver(reactor)
        before = world.installNameResolver(Names({"relay.example": [["10.1.2.3"]]}))
        self.addCleanup(world.installNameResolver, before)
        await super().setUp()

    def configuration(self) -> dict[str, object]:
        return {
            **configuration(self.provider.url),
            "providers": {"anthropic": {"api_base": "https://relay.example"}},
        }

    async def test_the_caller_learns_of_it_and_of_no_address(self):
        answer = await self.message(headers=OWN)

        self.assertEqual(answer.status, 502)
        self.assertEqual(answer.value("x-byok-error"), "provider.out-of-reach")
        self.assertEqual(answer.value("x-should-retry"), "false")
        self.assertIn(b"an address that the gateway may not connect to", answer.body)
        for secret in (b"10.1.2.3", b"relay.example"):
            self.assertNotIn(secret, answer.body)
        line = self.line()
        self.assertEqual(
            (line["status"], line["error"]), (502, "provider.out-of-reach")
        )

    async def test_the_operator_learns_which_setting_would_permit_it(self):
        await self.message(headers=OWN)

        (told,) = [formatEvent(each) for each in self.events if "fault" in each]
        self.assertIn(f"{MODEL}: the provider's host name leads to", told)
        self.assertIn("an address in a private network", told)
        self.assertIn("`allow_private: true`", told)
