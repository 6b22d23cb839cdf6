"""S-47: which addresses may be connected to, and with whose leave."""

import pytest

from byok.upstream.reach import AddressRefused, Place, Reach, place_of

PLACES = {
    Place.LOOPBACK: """
        127.0.0.1 127.255.255.254 ::1 ::ffff:127.0.0.1 ::ffff:7f00:1 ::127.0.0.1
        64:ff9b::7f00:1 2002:7f00:1:: 2001:0:0:0:0:0:80ff:fffe ::ffff:0:127.0.0.1
    """,
    Place.LINK_LOCAL: """
        169.254.169.254 169.254.0.1 fe80::1 fe80::1%eth0 febf::1 ::ffff:169.254.169.254
        64:ff9b::169.254.169.254 2002:a9fe:a9fe::1
    """,
    Place.PRIVATE: """
        10.0.0.1 172.16.0.1 172.31.255.255 192.168.0.1 fd00:ec2::254 fc00::1 fec0::1
        ::ffff:10.0.0.1 64:ff9b::a00:1 64:ff9b:1::a00:1 2002:c0a8:1::1
    """,
    Place.SHARED: "100.64.0.1 100.127.255.255 ::ffff:100.64.0.1 64:ff9b::6440:1",
    Place.MULTICAST: "224.0.0.1 239.255.255.255 ff02::1 ::ffff:224.0.0.1",
    Place.UNSPECIFIED: "0.0.0.0 0.1.2.3 :: ::ffff:0.0.0.0 255.255.255.255",
    Place.RESERVED: """
        192.0.2.1 198.51.100.1 203.0.113.9 198.18.0.1 240.0.0.1 192.0.0.8 2001:db8::1
        100::1 ::ffff:192.0.2.1
    """,
}
EVERYWHERE = [
    (place, address) for place, listed in PLACES.items() for address in listed.split()
]
INTERNET = """
    160.79.104.10 8.8.8.8 172.15.0.1 172.32.0.1 100.63.255.255 100.128.0.0 11.0.0.1
    169.253.255.255 2607:6bc0::10 2606:4700::1 ::ffff:8.8.8.8 64:ff9b::808:808
    2002:808:808::1
"""


@pytest.mark.parametrize(("place", "address"), EVERYWHERE)
def test_an_address_that_is_not_in_the_internet_is_told(place, address):
    assert place_of(address) is place


@pytest.mark.parametrize("address", INTERNET.split())
def test_an_address_in_the_internet_is_told(address):
    assert place_of(address) is None


@pytest.mark.parametrize("text", ["", "localhost", "2130706433", "0x7f.1", "127.1"])
def test_what_is_no_address_is_nowhere_one_may_go(text):
    place = place_of(text)

    assert place is not None
    assert not Reach(private=True, loopback=True).covers(place)


def test_without_leave_only_the_internet_is_in_reach():
    reach = Reach()

    assert reach.covers(None)
    assert [place for place in Place if reach.covers(place)] == []


def test_allow_private_covers_every_place_where_somebody_may_be():
    reach = Reach(private=True)

    outside = {place for place in Place if not reach.covers(place)}
    assert outside == {Place.UNSPECIFIED, Place.MULTICAST}


def test_allow_plaintext_loopback_covers_this_machine_alone():
    reach = Reach(loopback=True)

    assert [place for place in Place if reach.covers(place)] == [Place.LOOPBACK]


def test_a_refusal_names_kinds_of_addresses_and_the_setting():
    refused = AddressRefused(frozenset({Place.PRIVATE, Place.LOOPBACK}))

    assert str(refused) == (
        "its name leads to a loopback address and an address in a private network;"
        " `allow_private: true` in its deployment, or beside its api_base under"
        " providers, would permit it"
    )


def test_a_refusal_that_nothing_permits_says_so():
    assert "no setting permits" in str(AddressRefused(frozenset({Place.MULTICAST})))
