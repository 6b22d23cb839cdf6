"""Who released a provider key from its owner, and when."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make room for it."""
    op.add_column("provider_keys", sa.Column("released_by", sa.String(300)))
    op.add_column("provider_keys", sa.Column("released_at", sa.Double))


def downgrade() -> None:
    """Forget it; what is bound stays bound."""
    op.drop_column("provider_keys", "released_at")
    op.drop_column("provider_keys", "released_by")
