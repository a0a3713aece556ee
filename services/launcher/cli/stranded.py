"""Why files are pending when the waiting ends, and what starts those anew that nothing is left to do for."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from services.launcher.cli.client import Client, Document, api_path
from services.launcher.cli.pipeline import Outcome
from services.launcher.cli.troubles import DROPPED, reasons
from services.launcher.cli.waiting import PATIENCE_S
from shared.wording import counted


@dataclass(frozen=True, slots=True)
class Dropped:
    """Files whose work somebody dropped, and the commands by which it is done after all."""

    outcomes: Sequence[Outcome]
    putting: str
    embedding: Sequence[str]  # what is cut into segments already is not cut again

    @property
    def n_cut(self) -> int:
        """How many of them lack vectors only."""
        return sum(outcome.segments is not None for outcome in self.outcomes)

    @property
    def n_uncut(self) -> int:
        """How many of them are not cut yet."""
        return len(self.outcomes) - self.n_cut

    def document(self) -> Document:
        """As --json prints it, beside the work that is left."""
        remedy = ([self.putting] if self.n_uncut else []) + [*(self.embedding if self.n_cut else ())]
        return {"dropped": len(self.outcomes), "remedy": remedy}

    def sentences(self) -> Iterator[str]:
        """What helps, for a person."""
        files = counted(len(self.outcomes), "file")
        yield f"Nothing more happens to {files}: the work was dropped (earmark dead drop)."
        if self.n_uncut:
            uncut = counted(self.n_uncut, "file")
            yield f"Not cut yet ({uncut}); putting it again starts it anew: {self.putting}"
        if self.n_cut:
            yield f"Not embedded yet ({counted(self.n_cut, 'file')}): {' and '.join(self.embedding)}"

    def explained(self, outcomes: Sequence[Outcome]) -> list[Outcome]:
        """The same outcomes; these say why they are pending."""
        keys = {one.object_key for one in self.outcomes}
        return [replace(one, reason=self._reason(one)) if one.object_key in keys else one for one in outcomes]

    def _reason(self, outcome: Outcome) -> str:
        again = self.putting if outcome.segments is None else " and ".join(self.embedding)
        return f"{DROPPED}: Nothing more happens to it: its work was dropped. To have it done: {again}"


def dropped(api: Client, collection: str, stranded: Sequence[Outcome], work: Document) -> Dropped | None:
    """What was dropped of the files that no work is left for; None where it was given up, or is still to be done."""
    if not stranded or work["backlog"]["dead"]:
        return None
    option = f"-c {collection}"
    encoders = api.get(api_path("collections", collection), patience_s=PATIENCE_S)["encoders"]
    embedding = [f"earmark backfill {option} --encoder {encoder}" for encoder in encoders]
    return Dropped(stranded, f"earmark ingest PATH... {option}", embedding)


def why_pending(stranded: Sequence[Outcome], work: Document, lost: Dropped | None) -> Iterator[str]:
    """Sentences; `stranded` are the files that no work is left for, `work` is what is left of the whole collection."""
    if lost:
        yield from lost.sentences()
        return
    if stranded:
        yield f"Nothing more happens to {counted(len(stranded), 'file')}: work was given up."
    yield from reasons(work)
