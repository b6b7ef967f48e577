"""parent: the job that a job was made from"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Go to this revision."""
    with op.batch_alter_table("job", schema=None) as batch_op:
        batch_op.add_column(sa.Column("parent", sa.String(length=32), nullable=True))


def downgrade() -> None:
    """Go back."""
    with op.batch_alter_table("job", schema=None) as batch_op:
        batch_op.drop_column("parent")
