"""How well readers agree, landmark by landmark, and whether a model lies within their spread. numpy and scipy only."""

from radmark.agree.agreement import Agreement as Agreement
from radmark.agree.agreement import agreement as agreement
from radmark.agree.panel import Panel as Panel
from radmark.agree.panel import consensus_readings as consensus_readings
from radmark.agree.panel import panel as panel
