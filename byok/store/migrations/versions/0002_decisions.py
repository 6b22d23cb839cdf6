"""Records of decisions."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create their table."""
    op.create_table(
        "decisions",
        sa.Column(
            "number",
            sa.BigInteger().with_variant(sa.Integer, "sqlite"),
            primary_key=True,
        ),
        sa.Column("id", sa.String(64), nullable=False),
        sa.Column("at", sa.Double, nullable=False),
        sa.Column("key_id", sa.String(32), nullable=False),
        sa.Column("key", sa.String(255), nullable=False),
        sa.Column("deployment", sa.String(255)),
        sa.Column("verdict", sa.String(16), nullable=False),
        sa.Column("payer", sa.String(16)),
        sa.Column("has_shadow", sa.Boolean, nullable=False),
        sa.Column("record", sa.Text, nullable=False),
        sa.UniqueConstraint("id", name="uq_decisions_id"),
    )


def downgrade() -> None:
    """Drop it, with every record."""
    op.drop_table("decisions")
