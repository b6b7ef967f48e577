"""parts: the metrics of each lane of a trial"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Go to this revision."""
    for table in ("report", "trial"):
        with op.batch_alter_table(table, schema=None) as batch_op:
            batch_op.add_column(sa.Column("parts", sa.JSON(none_as_null=True), nullable=True))


def downgrade() -> None:
    """Go back."""
    for table in ("trial", "report"):
        with op.batch_alter_table(table, schema=None) as batch_op:
            batch_op.drop_column("parts")
