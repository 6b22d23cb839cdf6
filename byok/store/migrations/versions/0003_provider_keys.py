"""What was learned about provider keys."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create its table."""
    op.create_table(
        "provider_keys",
        sa.Column("digest", sa.LargeBinary(32), primary_key=True),
        sa.Column("organization", sa.String(64)),
        sa.Column("owner", sa.String(300)),
        sa.Column("learned_at", sa.Double, nullable=False),
    )
    op.create_index("ix_provider_keys_learned_at", "provider_keys", ["learned_at"])


def downgrade() -> None:
    """Drop it: every key is unbound again."""
    op.drop_table("provider_keys")
