"""The ledger, and what it adds up to day by day."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_TOKENS = (
    "input_tokens",
    "output_tokens",
    "cache_read_tokens",
    "cache_write_5m_tokens",
    "cache_write_1h_tokens",
    "thinking_tokens",
    "web_searches",
)


def upgrade() -> None:
    """Create their tables."""
    op.create_table(
        "usage",
        sa.Column(
            "number",
            sa.BigInteger().with_variant(sa.Integer, "sqlite"),
            primary_key=True,
        ),
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("at", sa.Double, nullable=False),
        sa.Column("key_id", sa.Text, nullable=False),
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("user_id", sa.Text),
        sa.Column("team_id", sa.Text),
        sa.Column("end_user", sa.Text),
        sa.Column("session", sa.Text),
        sa.Column("agent", sa.Text),
        sa.Column("method", sa.Text, nullable=False),
        sa.Column("route", sa.Text, nullable=False),
        sa.Column("model", sa.Text),
        sa.Column("upstream_model", sa.Text),
        sa.Column("deployment", sa.Text),
        sa.Column("provider", sa.Text),
        sa.Column("payer", sa.Text),
        sa.Column("credential", sa.Text),
        sa.Column("status", sa.BigInteger),
        sa.Column("ending", sa.Text),
        sa.Column("error", sa.Text),
        sa.Column("stop_reason", sa.Text),
        sa.Column("attempts", sa.BigInteger, nullable=False),
        *(sa.Column(name, sa.BigInteger) for name in _TOKENS),
        sa.Column("service_tier", sa.Text),
        sa.Column("speed", sa.Text),
        sa.Column("inference_geo", sa.Text),
        sa.Column("estimated", sa.Boolean, nullable=False),
        sa.Column("raw_usage", sa.Text),
        sa.Column("price_version", sa.Text),
        sa.Column("cost_nano", sa.BigInteger, nullable=False),
        sa.Column("notional_nano", sa.BigInteger),
        sa.Column("duration_ms", sa.Double, nullable=False),
        sa.Column("first_byte_ms", sa.Double),
        sa.Column("generation", sa.Text, nullable=False),
        sa.UniqueConstraint("id", name="uq_usage_id"),
    )
    op.create_index("ix_usage_at", "usage", ["at"])
    op.create_table(
        "usage_daily",
        sa.Column("day", sa.String(10), primary_key=True),
        sa.Column("group_id", sa.LargeBinary(16), primary_key=True),
        sa.Column("key_id", sa.Text, nullable=False),
        sa.Column("user_id", sa.Text),
        sa.Column("team_id", sa.Text),
        sa.Column("model", sa.Text),
        sa.Column("deployment", sa.Text),
        sa.Column("payer", sa.Text),
        sa.Column("requests", sa.BigInteger, nullable=False),
        sa.Column("failures", sa.BigInteger, nullable=False),
        sa.Column("estimated", sa.BigInteger, nullable=False),
        *(sa.Column(name, sa.BigInteger, nullable=False) for name in _TOKENS),
        sa.Column("cost_nano", sa.BigInteger, nullable=False),
        sa.Column("notional_nano", sa.BigInteger, nullable=False),
        sqlite_with_rowid=False,
    )
    # Budgets are read by whose they are, at their first use and every few seconds.
    for whose in ("key_id", "user_id", "team_id"):
        op.create_index(f"ix_usage_daily_{whose}", "usage_daily", [whose, "day"])


def downgrade() -> None:
    """Drop them, with all that was counted."""
    op.drop_table("usage_daily")
    op.drop_table("usage")
