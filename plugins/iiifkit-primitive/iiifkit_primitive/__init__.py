"""iiifkit-primitive: the quality ``primitive``, which draws a picture anew with geometric shapes."""
