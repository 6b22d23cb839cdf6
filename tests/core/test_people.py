"""Roles that exist in one place only."""

import pytest

from byok.core.people import Member, Role, User


def test_a_user_is_no_team_admin_and_a_member_no_admin():
    assert User(user_id="a", created_at=0, updated_at=0).role is Role.MEMBER
    assert Member(team_id="t", user_id="a", added_at=0).role is Role.MEMBER

    with pytest.raises(ValueError, match="team_admin"):
        User(user_id="a", created_at=0, updated_at=0, role=Role.TEAM_ADMIN)
    with pytest.raises(ValueError, match="admin"):
        Member(team_id="t", user_id="a", added_at=0, role=Role.ADMIN)
