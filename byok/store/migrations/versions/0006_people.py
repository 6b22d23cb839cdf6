"""Teams, users, members, and who changed what."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create their tables."""
    op.create_table(
        "teams",
        sa.Column("team_id", sa.String(255), primary_key=True),
        sa.Column("team_alias", sa.String(255)),
        *_limits(),
        sa.UniqueConstraint("team_alias", name="uq_teams_team_alias"),
    )
    op.create_table(
        "users",
        sa.Column("user_id", sa.String(255), primary_key=True),
        sa.Column("user_alias", sa.String(255)),
        sa.Column("user_email", sa.String(320)),
        sa.Column("role", sa.String(16), nullable=False),
        *_limits(),
    )
    op.create_index("ix_users_user_email", "users", ["user_email"])
    op.create_table(
        "members",
        sa.Column(
            "team_id",
            sa.String(255),
            sa.ForeignKey("teams.team_id", name="fk_members_team_id"),
            primary_key=True,
        ),
        sa.Column(
            "user_id",
            sa.String(255),
            sa.ForeignKey("users.user_id", name="fk_members_user_id"),
            primary_key=True,
        ),
        sa.Column("role", sa.String(16), nullable=False),
        sa.Column("added_at", sa.Double, nullable=False),
        sa.Column("added_by", sa.String(255)),
    )
    op.create_index("ix_members_user_id", "members", ["user_id"])
    op.create_table(
        "audit",
        sa.Column("seq", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("at", sa.Double, nullable=False),
        sa.Column("actor", sa.Text, nullable=False),
        sa.Column("action", sa.String(32), nullable=False),
        sa.Column("subject", sa.Text, nullable=False),
        sa.Column("before", sa.Text),
        sa.Column("after", sa.Text),
        sa.Column("previous", sa.String(64), nullable=False),
        sa.Column("hash", sa.String(64), nullable=False),
    )
    op.execute("INSERT INTO revisions (subject, revision) VALUES ('audit', 0)")


def downgrade() -> None:
    """Drop them, with everybody in them."""
    op.execute("DELETE FROM revisions WHERE subject = 'audit'")
    for table in ("audit", "members", "users", "teams"):
        op.drop_table(table)


def _limits() -> list[sa.Column[Any]]:
    return [
        sa.Column("models", sa.JSON, nullable=False),
        sa.Column("metadata", sa.JSON, nullable=False),
        sa.Column("blocked", sa.Boolean, nullable=False),
        sa.Column("max_budget", sa.Double),
        sa.Column("soft_budget", sa.Double),
        sa.Column("budget_duration", sa.String(16)),
        sa.Column("rpm_limit", sa.BigInteger),
        sa.Column("tpm_limit", sa.BigInteger),
        sa.Column("max_parallel_requests", sa.BigInteger),
        sa.Column("created_at", sa.Double, nullable=False),
        sa.Column("created_by", sa.String(255)),
        sa.Column("updated_at", sa.Double, nullable=False),
        sa.Column("updated_by", sa.String(255)),
    ]
