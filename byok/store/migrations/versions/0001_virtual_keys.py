"""Virtual keys, and how often they were changed."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the first two tables."""
    op.create_table(
        "virtual_keys",
        sa.Column("token_id", sa.String(32), primary_key=True),
        sa.Column("digest", sa.LargeBinary(32), nullable=False),
        sa.Column("pepper_id", sa.String(12), nullable=False),
        sa.Column("key_name", sa.String(16), nullable=False),
        sa.Column("key_alias", sa.String(255)),
        sa.Column("models", sa.JSON, nullable=False),
        sa.Column("expires_at", sa.Double),
        sa.Column("blocked", sa.Boolean, nullable=False),
        sa.Column("metadata", sa.JSON, nullable=False),
        sa.Column("tags", sa.JSON, nullable=False),
        sa.Column("user_id", sa.String(255)),
        sa.Column("team_id", sa.String(255)),
        sa.Column("max_budget", sa.Double),
        sa.Column("soft_budget", sa.Double),
        sa.Column("budget_duration", sa.String(16)),
        sa.Column("rpm_limit", sa.BigInteger),
        sa.Column("tpm_limit", sa.BigInteger),
        sa.Column("max_parallel_requests", sa.BigInteger),
        sa.Column("permissions", sa.JSON, nullable=False),
        sa.Column("spend", sa.Double, nullable=False),
        sa.Column("previous_digest", sa.LargeBinary(32)),
        sa.Column("previous_expires_at", sa.Double),
        sa.Column("created_at", sa.Double, nullable=False),
        sa.Column("created_by", sa.String(255)),
        sa.Column("updated_at", sa.Double, nullable=False),
        sa.Column("updated_by", sa.String(255)),
        sa.UniqueConstraint("digest", name="uq_virtual_keys_digest"),
        sa.UniqueConstraint("key_alias", name="uq_virtual_keys_key_alias"),
    )
    for column in ("previous_digest", "user_id", "team_id", "created_at"):
        op.create_index(f"ix_virtual_keys_{column}", "virtual_keys", [column])
    revisions = op.create_table(
        "revisions",
        sa.Column("subject", sa.String(32), primary_key=True),
        sa.Column("revision", sa.BigInteger, nullable=False),
    )
    op.bulk_insert(revisions, [{"subject": "keys", "revision": 0}])


def downgrade() -> None:
    """Drop them, with every key."""
    op.drop_table("revisions")
    op.drop_table("virtual_keys")
