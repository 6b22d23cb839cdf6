"""What records of decisions share is kept once."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make room for it; records that are there stay as they are, whole."""
    op.create_table(
        "decision_patterns",
        sa.Column("id", sa.String(32), primary_key=True),
        sa.Column("text", sa.Text, nullable=False),
    )
    op.add_column("decisions", sa.Column("pattern", sa.String(32)))


def downgrade() -> None:
    """Drop it, and the records that are incomplete without."""
    op.execute("DELETE FROM decisions WHERE pattern IS NOT NULL")
    op.drop_column("decisions", "pattern")
    op.drop_table("decision_patterns")
