"""How well readers agree, landmark by landmark, and whether a model lies within their spread. numpy and scipy only.

`panel` brings readings side by side, `agreement` compares them, `report` writes it; `consensus` needs no scipy.
"""
