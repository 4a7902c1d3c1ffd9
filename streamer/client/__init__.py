"""What subscribers use: the stream of scores as typed objects.

from streamer.client import ScoredAlerts
for alert in ScoredAlerts("localhost:9092", classes=["SN I", "SN II"], min_score=0.5, start_at="tonight"):
    print(alert.object_id, alert.predicted_class, alert.n_detections)
"""

from schemas.records import ScoredAlert
from streamer.client.scored_alerts import ScoredAlerts

__all__ = ["ScoredAlert", "ScoredAlerts"]
