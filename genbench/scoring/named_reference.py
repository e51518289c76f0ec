"""A reference ``stats:NAME``: its file, its extractor, and what the result records about it."""

from __future__ import annotations

from dataclasses import dataclass, replace

from genbench.errors import UsageError
from genbench.features.features import Moments
from genbench.features.named_statistics import find_statistics
from genbench.features.published_statistics import NamedStatistics
from genbench.features.statistics_registry import PREFIX, statistics_of_reference
from genbench.plugs.contracts import Extractor
from genbench.results import SampleSet
from genbench.scoring.options import Options


@dataclass(frozen=True)
class NamedReference:
    """Statistics by name whose file was found."""

    statistics: NamedStatistics
    sha256: str

    @property
    def name(self) -> str:
        """The name as the user typed it."""
        return PREFIX + self.statistics.name

    def moments(self, moments: Moments | None) -> Moments | None:
        """Return the moments of the file under this name, with what is known about them."""
        # saved features hold rows instead
        if moments is None:
            return None
        # the moments of other views get both from these
        return replace(moments, name=self.name, count=moments.count or self.statistics.count)

    def record(self, reference: SampleSet) -> SampleSet:
        """Return the record of the reference with the name, the checksum and the label rule."""
        return replace(reference, name=self.name, sha256=self.sha256, labels=self.statistics.labels)

    def label_hints(self, labels: str) -> list[str]:
        """Return a sentence if the publisher draws labels in another way than ``labels`` (of a Result) says."""
        # what the recorded rule or the given counts agree with
        rule = {"given, equal counts": "equal", "given, unequal counts": "random"}.get(labels, labels)
        if not self.statistics.labels or not rule or rule == self.statistics.labels:
            return []
        # the score is right, but not the one of the publisher's protocol
        asked = "drawn at random" if self.statistics.labels == "random" else "equal in number"
        return [
            f"Published numbers against {self.name} are of samples whose labels are {asked}, and these follow another "
            f"rule ({labels}), which changes a Frechet distance slightly; a sampler follows it with "
            f"--labels {self.statistics.labels}."
        ]

    def require_extractor(self, chosen: Extractor, used: Extractor) -> None:
        """Raise UsageError if the statistics are not of the features of the extractor that is used.

        A file with the statistics of several extractors is read for the ``chosen`` one.
        """
        # precisions are compared elsewhere
        known = self.statistics.extractors
        read_for, name = (each.name.partition(",precision=")[0] for each in (chosen, used))
        if not known or (name == read_for and name in known):
            return
        # the file has no statistics of that network, or it was not read for them
        which = f"read for {read_for}" if name in known else f"of {' and '.join(known)}"
        advice = f"choose --features {name}" if name in known else f"leave out --features, or choose {known[0]}"
        raise UsageError(
            f"The statistics {self.name} are {which}, but the features of the samples are by {name}; {advice}."
        )


def open_named_reference(options: Options) -> tuple[Options, NamedReference | None]:
    """Return the options with the file of a reference ``stats:NAME``, and its extractor if none is chosen.

    Options with another reference are returned as they are. Raises UsageError for an unknown name, InputError if the
    file is neither here nor can be downloaded.
    """
    statistics = statistics_of_reference(options.reference)
    if statistics is None:
        return options, None
    # everything that follows reads the file as it reads any other
    path, sha256 = find_statistics(statistics)
    features = options.features
    if features is None and statistics.extractors:
        features = statistics.extractors[0]
    return replace(options, reference=path, features=features), NamedReference(statistics, sha256)
